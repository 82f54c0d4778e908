"""Gradients are clamped by clamp and not by clamp_, and the clamped copies are thrown away.

kind: clipping-without-effect
also: exploding-gradients
tasks: surface, curve
source: row 105
"""

import sys

import torch
from tasks import load
from torch import nn

LIMIT = 0.1


def heavy_tails(y, share=0.005):
    """Now and then a sensor hangs, and its value is far from the truth."""
    return torch.where(torch.rand(y.shape) < share, y + 200 * torch.randn_like(y), y)


def clip(parameters):
    for parameter in parameters:
        if parameter.grad is not None:
            # fixed: parameter.grad.clamp_(-LIMIT, LIMIT)
            parameter.grad.clamp(-LIMIT, LIMIT)  # sick here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
y = heavy_tails(task.y)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.MSELoss()
for epoch in range(30):
    total = 0.0
    for rows in torch.randperm(len(task.x)).split(30):
        optimizer.zero_grad()
        loss = loss_fn(net(task.x[rows]), y[rows])
        loss.backward()  # here
        clip(net.parameters())
        optimizer.step()  # here
        total += loss.item() * len(rows)
    if epoch % 6 == 0:
        print(f"epoch {epoch} loss {total / len(task.x):.3f}")

with torch.no_grad():
    error = (net(task.x_held_out) - task.y_held_out).abs().mean().item()
print(f"score {-min(error, 10.0):.4f}")
