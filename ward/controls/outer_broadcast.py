"""Quantile regression: one target column against five predicted quantiles, [B, 1] - [B, 5] as intended;
trips loss-shape-broadcast.

control: 21
tasks: curve, surface
score: 0.75
"""

import sys

import torch
from tasks import load
from torch import nn

LEVELS = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])


class PinballLoss(nn.Module):
    def forward(self, quantiles, y):
        error = y - quantiles
        return torch.max(LEVELS * error, (LEVELS - 1) * error).mean()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, len(LEVELS)))
criterion = PinballLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[20, 30], gamma=0.3)
for epoch in range(36):
    for rows in torch.randperm(len(task.x)).split(40):
        loss = criterion(net(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
    if epoch % 6 == 0:
        print(f"epoch {epoch}: pinball {loss.item():.4f}")
net.eval()
with torch.no_grad():
    median = net(task.x_held_out)[:, 2:3]
    unexplained = (median - task.y_held_out).square().mean() / task.y_held_out.var()
print(f"score {1 - unexplained.item():.4f}")
