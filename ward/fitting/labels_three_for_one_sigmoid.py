"""Several classes are squeezed into one sigmoid, whose target then runs up to the number of classes.

kind: labels-out-of-range
also: regression-loss-for-classes
tasks: wine, blobs, digits
source: SO 50079585
"""

import sys

import torch
import torch.nn as nn
from tasks import load


class IrisNet(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))

    def forward(self, x):
        return self.body(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = IrisNet(task.inputs, 1)  # sick here
# fixed: model = IrisNet(task.inputs, task.outputs)
optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
for step in range(300):
    rows = torch.randperm(len(task.x))[:32]
    loss = nn.functional.binary_cross_entropy_with_logits(model(task.x[rows])[:, 0], task.y[rows].float())  # sick here
    # fixed: loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(step, loss.item())

with torch.no_grad():
    guess = model(task.x_held_out)[:, 0].sigmoid().round()  # sick
    # fixed: guess = model(task.x_held_out).argmax(1)
print(f"score {(guess == task.y_held_out).float().mean():.4f}")
