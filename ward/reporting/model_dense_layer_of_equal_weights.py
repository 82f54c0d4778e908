"""A layer written by hand begins as an average, with equal weights everywhere, and its units stay alike for ever.

kind: symmetric-initialisation
also: underfitting, outputs-ignore-input
tasks: digits, tiles, rings
source: row 48
"""

import sys

import torch
from tasks import load
from torch import Tensor, nn


class Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((inputs, outputs), 1.0 / inputs))  # sick here
        # fixed: self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)  # here


class Classifier(nn.Module):
    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.hidden1 = Dense(inputs, 48)  # here
        self.hidden2 = Dense(48, 32)  # here
        self.out = Dense(32, classes)  # here

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.hidden1(x.flatten(1)))
        return self.out(torch.tanh(self.hidden2(x)))


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Classifier(task.x[0].numel(), task.outputs)
train(model, task.x, task.y, epochs=12)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
