"""Dropout is given the share that is to be kept.

kind: dropout-too-strong
tasks: digits
up: training loss
shows: With nine tenths of its units dropped the sick network learns slowly, and through noise.
finds: verify
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw

torch.manual_seed(0)
task = load("digits", 0)
dropout = 0.9  # sick
# fixed: dropout = 0.1
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, task.outputs))
told = tw.verify(model, "cross_entropy", (task.x, task.y), checks=["configuration"]).findings
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
shown = []
for _ in range(4):
    for x, y in zip(task.x.split(32), task.y.split(32), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        shown.append((len(shown), loss.item()))
        loss.backward()
        optimizer.step()
