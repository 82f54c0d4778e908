"""Eight batches belong to one step, and each of them zeroes what those before it gave.

kind: zero-grad-inside-accumulation
tasks: blobs
up: relative distance from the gradient of all eight batches
shows: The step of the sick program takes the eighth batch's gradient alone, an eighth of what was computed.
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
for _ in range(10):
    seen = 0
    for number, (x, y) in enumerate(zip(task.x[:800].split(20), task.y[:800].split(20), strict=True), 1):
        optimizer.zero_grad()  # sick
        # fixed: optimizer.zero_grad() if number % 8 == 1 else None
        loss = F.cross_entropy(model(x), y) / 8
        seen = seen + nn.utils.parameters_to_vector(torch.autograd.grad(loss, model.parameters(), retain_graph=True))
        loss.backward()
        if number % 8 == 0:
            taken = nn.utils.parameters_to_vector([weight.grad for weight in model.parameters()])
            shown.append((len(shown), ((taken - seen).norm() / seen.norm()).item()))
            optimizer.step()
            seen = 0
