"""A layer is made for training alone, and evaluation asks for it.

kind: fails-in-one-mode
tasks: blobs
up: loss of the forward pass
across: forward pass, the last ten of them evaluations
shows: The sick program trains for twenty steps and ends with its first evaluation.
finds: verify
form: linear
"""

import math

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(8, 24), nn.Linear(24, 4)

    def forward(self, x):
        if self.training:
            self.features = self.body(x).relu()
            return self.head(self.features)
        return self.head(self.feature)  # sick
        # fixed: return self.head(self.body(x).relu())


torch.manual_seed(0)
task, shown = load("blobs", 0), []
model = Network()
told = tw.verify(model, "cross_entropy", (task.x, task.y), checks=["modes"]).findings
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
for place, (x, y) in enumerate(zip(task.x.split(30), task.y.split(30), strict=True), 1):
    model.train(place <= 20)
    try:
        loss = F.cross_entropy(model(x), y)
    except AttributeError:
        shown.append((place, math.nan))
        break
    shown.append((place, loss.item()))
    if model.training:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
