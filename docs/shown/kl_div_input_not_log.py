"""The student's probabilities go into kl_div, which expects their logarithm.

kind: kl-div-input-not-log
tasks: blobs
up: divergence from the teacher (nats, held out)
shows: The sick student never comes near its teacher.
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task = load("blobs", 0)
teacher = nn.Linear(8, 4)
with torch.no_grad():
    teacher.weight.mul_(6)
    taught, taught_held_out = teacher(task.x).softmax(1), teacher(task.x_held_out).softmax(1)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
shown = []
for _ in range(6):
    for x, y in zip(task.x.split(50), taught.split(50), strict=True):
        with torch.no_grad():
            answered = model.eval()(task.x_held_out).log_softmax(1)
            apart = (taught_held_out * (taught_held_out.log() - answered)).sum(1).mean()
        shown.append((len(shown), apart.item()))
        model.train()
        optimizer.zero_grad()
        loss = F.kl_div(model(x).softmax(1), y, reduction="batchmean")  # sick
        # fixed: loss = F.kl_div(model(x).log_softmax(1), y, reduction="batchmean")
        loss.backward()
        optimizer.step()
