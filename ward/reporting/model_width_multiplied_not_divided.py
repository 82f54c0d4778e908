"""Weights are drawn with deviation 1 and the products are to be divided by the root of the width; they are multiplied.

kind: saturated-activations
also: vanishing-gradients
tasks: digits, surface
source: synthetic, row 46
"""

import math
import sys

import torch
from tasks import load
from torch import nn


class Scaled(nn.Module):
    """A linear layer in the parametrisation of the theory: plain normal weights, the scale outside of them."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        # fixed: self.scale = 1 / math.sqrt(inputs)
        self.scale = math.sqrt(inputs)  # sick here

    def forward(self, x):
        return x @ self.weight.T * self.scale + self.bias


class Net(nn.Module):
    def __init__(self, inputs, outputs, width=64):
        super().__init__()
        self.hidden = nn.ModuleList([Scaled(inputs, width), Scaled(width, width), Scaled(width, width)])
        self.out = nn.Linear(width, outputs)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))  # here
        return self.out(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
model = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(40):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
