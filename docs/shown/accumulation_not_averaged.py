"""The gradients of eight batches are summed, and the loss is divided by nothing.

kind: accumulation-not-averaged
tasks: blobs
up: norm of the gradient that the step takes
shows: The gradient of the sick program is eight times that of the healed one at the first step, and stays too large.
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task = load("blobs", 0)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
shown = []
for _ in range(12):
    for number, (x, y) in enumerate(zip(task.x[:800].split(20), task.y[:800].split(20), strict=True), 1):
        loss = F.cross_entropy(model(x), y)
        loss.backward()  # sick
        # fixed: (loss / 8).backward()
        if number % 8 == 0:
            shown.append((len(shown), nn.utils.get_total_norm([weight.grad for weight in model.parameters()]).item()))
            optimizer.step()
            optimizer.zero_grad()
