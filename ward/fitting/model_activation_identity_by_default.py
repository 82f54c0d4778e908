"""The block takes its activation as an argument that nobody passes, and the default is the identity.

kind: no-nonlinearity
also: underfitting
tasks: rings, surface
source: row 34
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn


@dataclass
class Shape:
    inputs: int
    outputs: int
    width: int = 48
    depth: int = 3


class Block(nn.Module):
    # fixed: def __init__(self, width, activation=nn.SiLU):
    def __init__(self, width, activation=nn.Identity):  # sick here
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.activation = activation()

    def forward(self, x):
        return x + self.activation(self.linear(x))  # here


class ResidualMlp(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.first = nn.Linear(shape.inputs, shape.width)
        self.blocks = nn.Sequential(*(Block(shape.width) for _ in range(shape.depth)))
        self.last = nn.Linear(shape.width, shape.outputs)

    def forward(self, x):
        return self.last(self.blocks(self.first(x)))


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
    model = ResidualMlp(Shape(task.inputs, task.outputs))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(15):
        for rows in torch.randperm(len(task.x)).split(32):
            loss = criterion(model(task.x[rows]), task.y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 3 == 0:
            print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")


main()
