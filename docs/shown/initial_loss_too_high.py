"""The weights of the output layer are drawn thirty times too large.

kind: initial-loss-too-high
tasks: blobs
up: training loss
shows: The sick network begins far above the 1.39 of a guess among four classes, and spends its first steps on coming
    down.
finds: verify
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw

torch.manual_seed(0)
task = load("blobs", 0)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
with torch.no_grad():
    model[2].weight.mul_(30)  # sick
    model[2].bias.zero_()
told = tw.verify(model, "cross_entropy", (task.x, task.y), checks=["initial-loss"]).findings
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
shown = []
for _ in range(6):
    for x, y in zip(task.x.split(50), task.y.split(50), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        shown.append((len(shown), loss.item()))
        loss.backward()
        optimizer.step()
