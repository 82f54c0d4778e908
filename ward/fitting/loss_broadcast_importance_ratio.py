"""Importance ratios [batch, 1] divide squared errors [batch]: each error meets every ratio, and the ratios are void.

kind: loss-shape-broadcast
tasks: surface, curve
source: synthetic, row 60
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
broken = torch.rand(len(task.y)) < 0.4
measured = torch.where(broken[:, None], torch.full_like(task.y, 3.0), task.y)
variance = torch.where(broken, 50.0, 1.0).unsqueeze(1)
for step in range(600):
    rows = torch.randint(len(task.x), (40,))
    error = (net(task.x[rows]) - measured[rows]).square().squeeze(1)
    # fixed: loss = (error / variance[rows].squeeze(1)).mean()
    loss = (error / variance[rows]).mean()  # sick here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 150 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {1 - nn.functional.mse_loss(net(task.x_held_out), task.y_held_out).item():.4f}")
