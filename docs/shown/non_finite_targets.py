"""One target is missing, and nobody left its sample out.

kind: non-finite-targets
tasks: surface
up: training loss
shows: The batch with the missing target makes the loss NaN, and after that step every weight is.
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task = load("surface", 0)
task.y[700] = torch.nan  # sick
model = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(3):
    for x, y in zip(task.x.split(30), task.y.split(30), strict=True):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
