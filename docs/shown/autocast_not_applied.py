"""Autocast is switched on for another device than the one that computes.

kind: autocast-not-applied
tasks: digits
up: relative distance of the output from float32's
shows: The output of the sick program is float32's to the last bit: no product was computed in bfloat16.
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task, shown = load("digits", 0), []
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
device = "cuda"  # sick
# fixed: device = "cpu"
for _ in range(3):
    for x, y in zip(task.x.float().split(40), task.y.split(40), strict=False):
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = model(x)
            loss = F.cross_entropy(logits.float(), y)
        optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            exact = F.linear(F.linear(x, model[0].weight, model[0].bias).relu(), model[2].weight, model[2].bias)
            shown.append((len(shown), ((logits.float() - exact).norm() / exact.norm()).item()))
        optimizer.step()
