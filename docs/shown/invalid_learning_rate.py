"""A rate that falls by the same amount at each step is not held at zero.

kind: invalid-learning-rate
tasks: blobs
up: learning rate of the step
shows: From step 40 on the sick program's rate is negative: its steps go up the gradient.
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
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 40)  # sick
# fixed: scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / 60))
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
