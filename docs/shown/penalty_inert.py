"""The penalty is computed from copies of the weights, which no gradient goes back to.

kind: penalty-inert
tasks: cancer
up: norm of the weights
shows: The penalty of the sick program is part of its loss, and its weights grow as if there were none.
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task = load("cancer", 0)
model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
shown = []
for _ in range(12):
    for x, y in zip(task.x.split(40), task.y.split(40), strict=False):
        optimizer.zero_grad()
        penalty = sum(weight.detach().pow(2).sum() for weight in model.parameters())  # sick
        # fixed: penalty = sum(weight.pow(2).sum() for weight in model.parameters())
        loss = F.cross_entropy(model(x), y) + 1e-2 * penalty
        loss.backward()
        optimizer.step()
        size = sum(weight.detach().pow(2).sum() for weight in model.parameters()).sqrt()
        shown.append((len(shown), size.item()))
