"""Prices are predicted by their logarithm, and some of them are zero.

kind: non-finite-targets
also: non-finite-loss
tasks: curve, surface, diabetes
source: row 107
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
price, price_test = (4 * task.y + 6).clamp(min=0), (4 * task.y_held_out + 6).clamp(min=0)
wanted = torch.log(price)  # sick here
# fixed: wanted = torch.log1p(price)
wanted_test = torch.log1p(price_test)

model = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(20):
    for x, y in DataLoader(TensorDataset(task.x, wanted), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)  # here
        loss.backward()
        optimizer.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch} {loss.item():.4f}")

model.eval()
with torch.no_grad():
    unexplained = (model(task.x_held_out) - wanted_test).square().mean() / wanted_test.var()
print(f"score {1 - unexplained:.4f}")
