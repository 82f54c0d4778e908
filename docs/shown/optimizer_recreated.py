"""Adam is made anew in every epoch, and forgets its moments.

kind: optimizer-recreated
tasks: blobs
up: length of the update
shows: After each restart Adam of the sick program knows no moments, and moves every weight by the whole rate.
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
for _ in range(5):
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)  # sick
    for x, y in zip(task.x.split(60), task.y.split(60), strict=True):
        before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        after = nn.utils.parameters_to_vector(model.parameters()).detach()
        shown.append((len(shown), (after - before).norm().item()))
