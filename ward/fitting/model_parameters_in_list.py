"""The weights of a network written by hand are parameters in a plain list, which no module looks into.

kind: unregistered-submodule
also: parameters-not-in-optimizer
tasks: digits, blobs, surface
source: pytorch#715
"""

import sys
from itertools import pairwise

import torch
from tasks import load
from torch import nn


class HandMade(nn.Module):
    def __init__(self, *widths):
        super().__init__()
        weights = [nn.Parameter(torch.randn(a, b) * 0.3 / a**0.5) for a, b in pairwise(widths)]
        self.weights = weights  # sick here
        # fixed: self.weights = nn.ParameterList(weights)
        self.shift = nn.Parameter(torch.zeros(widths[-1]))

    def forward(self, x):
        for weight in self.weights[:-1]:
            x = nn.functional.silu(x @ weight)
        return x @ self.weights[-1] + self.shift  # here


def batches(count, size):
    order = torch.randperm(count)
    yield from order.split(size)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = HandMade(task.inputs, 64, 32, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)  # here
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.L1Loss()
for epoch in range(12):
    for rows in batches(len(task.x), 32):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()  # here
    print(f"epoch {epoch} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out):.4f}")
