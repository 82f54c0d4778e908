"""The loop computes gradients and never makes a step.

kind: missing-optimizer-step
tasks: blobs
up: training loss
across: backward pass
shows: Without a step the loss of the sick program varies with the batch and does nothing else.
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task = load("blobs", 0)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
shown = []
for _ in range(4):
    for x, y in zip(task.x.split(30), task.y.split(30), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        # fixed: optimizer.step()
        shown.append((len(shown), loss.item()))
