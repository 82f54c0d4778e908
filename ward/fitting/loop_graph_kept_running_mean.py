"""An exponential mean of the loss refers to the mean before it, so the graph grows by one step in every iteration.

kind: graph-kept-alive
tasks: digits, wine, tiles
source: synthetic, row 115
gap: none, costs memory and not the result
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Meter:
    def __init__(self, momentum=0.95):
        self.momentum = momentum
        self.value = None

    def update(self, value):
        self.value = value if self.value is None else self.momentum * self.value + (1 - self.momentum) * value  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
meter = Meter()

for step in range(500):
    rows = torch.randint(len(task.x), (32,))
    optimizer.zero_grad()
    loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
    loss.backward()
    optimizer.step()
    meter.update(loss)  # sick here
    # fixed: meter.update(loss.item())
    if step % 100 == 0:
        print(f"step {step} smoothed loss {float(meter.value):.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
