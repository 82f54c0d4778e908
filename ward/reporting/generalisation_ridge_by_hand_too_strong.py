"""A ridge penalty is added to the loss by hand, as the full sum of squares with a weight of a half.

kind: weight-decay-too-strong
also: underfitting, collapsed-predictions
tasks: digits, blobs
source: row 93
"""

import sys

import torch
from tasks import load
from torch import nn


def ridge(model):
    return sum(parameter.square().sum() for parameter in model.parameters() if parameter.ndim > 1)


class Objective:
    def __init__(self, model, strength):
        self.model, self.strength = model, strength
        self.criterion = nn.CrossEntropyLoss()

    def __call__(self, x, y):
        return self.criterion(self.model(x), y) + self.strength * ridge(self.model)  # here


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = nn.Sequential(
        nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, task.outputs)
    )
    # fixed: objective = Objective(model, strength=5e-5)
    objective = Objective(model, strength=0.5)  # sick here
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(10):
        for rows in torch.randperm(len(task.x)).split(32):
            optimizer.zero_grad()
            loss = objective(task.x[rows], task.y[rows])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")


main()
