"""The running average of the weights, which is what gets used, is kept in bfloat16 and does not move by a thousandth.

kind: bf16-updates-lost
tasks: digits, blobs
source: torchao#1124
"""

import copy
import sys

import torch
from tasks import load
from torch import nn


class Average:
    def __init__(self, model, decay=0.996):
        # fixed: self.model = copy.deepcopy(model).requires_grad_(False)
        self.model = copy.deepcopy(model).to(torch.bfloat16).requires_grad_(False)  # sick here
        self.decay = decay

    @torch.no_grad()
    def update(self, model):
        for slow, fast in zip(self.model.parameters(), model.parameters(), strict=True):
            slow.add_((fast - slow) * (1 - self.decay))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
average = Average(model)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
step = 0
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(24):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(model)
        step += 1
    if epoch % 4 == 0:
        print(f"epoch {epoch} step {step} loss {loss.item():.4f}")

final = average.model.float().eval()
with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(final(task.x_held_out), task.y_held_out).item():.4f}")
