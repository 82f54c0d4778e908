"""The rate stays where it was at the start, and the loss stays at the noise of the steps instead of coming down.

kind: plateau
also: learning-rate-too-high
tasks: surface, curve, topics
source: synthetic, row 88
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.functional import mse_loss

SEED, NAME = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(SEED)
data = load(NAME, SEED)
net = nn.Sequential(nn.Linear(data.inputs, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh(), nn.Linear(50, data.outputs))
optimizer = torch.optim.Adam(net.parameters(), lr=0.04)  # here
steps = 1000
# fixed: schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

for step in range(steps):
    pick = torch.randint(len(data.x), (16,))
    loss = mse_loss(net(data.x[pick]), data.y[pick])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    # fixed: schedule.step()
    if step % 200 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-mse_loss(net(data.x_held_out), data.y_held_out).item():.4f}")
