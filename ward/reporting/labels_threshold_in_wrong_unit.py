"""The threshold that makes two classes is in units where the table has thousands, and one class remains.

kind: constant-targets
tasks: curve, surface, diabetes
source: row 21
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
income, income_test = 50 + 15 * task.y, 50 + 15 * task.y_held_out  # in thousands
rich = (income > 50_000).float()  # sick here
# fixed: rich = (income > 50).float()
net = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(15):
    for x, y in DataLoader(TensorDataset(task.x, rich), batch_size=30, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.6f}")

net.eval()
with torch.no_grad():
    said_rich = net(task.x_held_out) > 0
print(f"score {(said_rich == (income_test > 50)).float().mean():.4f}")
