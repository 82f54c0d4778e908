"""The loop zeroes gradients and makes steps, and never computes a gradient.

kind: missing-backward
tasks: blobs
up: training loss
shows: Without a gradient no step changes anything: the loss of the sick program varies with the batch.
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
        # fixed: loss.backward()
        optimizer.step()
        shown.append((len(shown), loss.item()))
