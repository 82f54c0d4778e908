"""A few targets with a slipped decimal point carry nearly all of the squared error.

kind: outliers-dominate-loss
tasks: curve, surface, diabetes
source: synthetic, outliers in MSE
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
slipped = torch.randperm(len(task.y))[:, None] < len(task.y) // 60
measured = torch.where(slipped, 100 * (task.y + 3), task.y)

net = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
criterion = nn.MSELoss()  # sick here
# fixed: criterion = nn.HuberLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(task.x, measured), batch_size=50, shuffle=True)
for epoch in range(25):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {total / len(loader):.4f}")

net.eval()
with torch.no_grad():
    error = (net(task.x_held_out) - task.y_held_out).square().mean()
print(f"score {1 - error / task.y_held_out.var():.4f}")
