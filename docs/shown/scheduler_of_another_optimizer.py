"""The scheduler was given an optimizer that makes no steps.

kind: scheduler-of-another-optimizer
tasks: blobs
up: learning rate of the step
shows: The rate of the sick program never changes: the scheduler works on the other optimizer's.
finds: verify
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw

torch.manual_seed(0)
task, shown = load("blobs", 0), []
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = (task.x, task.y)
scheduled = torch.optim.SGD(model.parameters(), lr=0.1)  # sick
# fixed: scheduled = optimizer
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(scheduled, T_max=60)
told = tw.verify(
    model, "cross_entropy", data, optimizer=optimizer, schedule=scheduler, planned_steps=60, checks=["configuration"]
).findings
for _ in range(4):
    for x, y in zip(task.x.split(60), task.y.split(60), strict=True):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        shown.append((len(shown), optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
