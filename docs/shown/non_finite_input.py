"""One entry of one input is missing, and nobody filled it.

kind: non-finite-input
tasks: blobs
up: training loss
shows: The batch with the missing entry makes the loss NaN, and after that step every weight is.
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task = load("blobs", 0)
task.x[700, 3] = torch.nan  # sick
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(3):
    for x, y in zip(task.x.split(30), task.y.split(30), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
