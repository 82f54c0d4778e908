"""A hypernetwork makes the weights of a small network out of learnt codes, anew in every step: the small network has no
parameters of its own; trips rules on weights outside of the optimizer and on rebound parameters.

control: hypernetwork
tasks: digits, blobs, rings
score: 0.75
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Hyper(nn.Module):
    def __init__(self, shapes, code=8, width=32):
        super().__init__()
        self.shapes = shapes
        self.codes = nn.Parameter(torch.randn(len(shapes), code))
        self.body = nn.Sequential(nn.Linear(code, width), nn.ReLU())
        self.heads = nn.ModuleList([nn.Linear(width, a * b) for a, b in shapes])

    def forward(self):
        hidden = self.body(self.codes)
        return [
            head(h).view(shape) / shape[1] ** 0.5
            for head, h, shape in zip(self.heads, hidden, self.shapes, strict=True)
        ]


def answer(weights, x):
    for weight in weights[:-1]:
        x = F.relu(F.pad(x @ weight.T, (0, 1), value=1.0))
    return x @ weights[-1].T


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_test = F.pad(task.x, (0, 1), value=1.0), F.pad(task.x_held_out, (0, 1), value=1.0)
hyper = Hyper([(40, task.inputs + 1), (task.outputs, 41)])
optimizer = torch.optim.Adam(hyper.parameters(), lr=3e-3)
for step in range(400):
    rows = torch.randint(len(x), (48,))
    loss = F.cross_entropy(answer(hyper(), x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 80 == 0:
        print(f"step {step} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {(answer(hyper(), x_test).argmax(1) == task.y_held_out).float().mean():.4f}")
