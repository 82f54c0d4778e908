"""The scheduler is stepped before the optimizer, and its first rate is never used.

kind: scheduler-before-optimizer
tasks: blobs
up: learning rate of the step
shows: Each step of the sick program takes the rate that was meant for the next one; the first rate is skipped.
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task, shown = load("blobs", 0), []
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
for x, y in zip(task.x.split(60), task.y.split(60), strict=True):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    scheduler.step()  # sick
    shown.append((len(shown), optimizer.param_groups[0]["lr"]))
    optimizer.step()
    # fixed: scheduler.step()
