"""The sign of the loss is flipped on its way into the backward pass.

kind: loss-maximised
tasks: blobs
up: training loss
shows: Each step of the sick program goes up the gradient, and makes the loss larger.
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task, shown = load("blobs", 0), []
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _ in range(4):
    for x, y in zip(task.x.split(30), task.y.split(30), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        shown.append((len(shown), loss.item()))
        (-loss).backward()  # sick
        # fixed: loss.backward()
        optimizer.step()
