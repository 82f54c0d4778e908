"""Hidden bits by sign() with a straight-through gradient: detach() in the middle of the net;
trips rules on detached graphs and saturation.

control: 10
tasks: digits, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class BinaryUnits(nn.Module):
    def forward(self, h):
        soft = torch.tanh(h)
        hard = torch.sign(h)
        return soft + (hard - soft).detach()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 96), BinaryUnits(), nn.Linear(96, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
