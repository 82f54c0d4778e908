"""A weight decay of 2 holds all weights close to zero, whatever the data say.

kind: weight-decay-too-strong
also: underfitting
tasks: surface, digits, tags
source: synthetic, row 93
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn


@dataclass(frozen=True)
class Settings:
    rate: float = 5e-2
    decay: float = 2.0  # sick here
    # fixed: decay: float = 0.002
    momentum: float = 0.5
    epochs: int = 12


def build(task):
    if task.kind == "tagging":
        return nn.Sequential(nn.Embedding(task.inputs, 24), nn.Linear(24, 32), nn.Tanh(), nn.Linear(32, task.outputs))
    return nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, task.outputs))


def objective(model, x, y):
    output = model(x)
    if output.shape == y.shape:
        return nn.functional.mse_loss(output, y)
    return nn.functional.cross_entropy(output.flatten(0, -2), y.flatten())


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
settings = Settings()
model = build(task)
optimizer = torch.optim.SGD(  # here
    model.parameters(), lr=settings.rate, momentum=settings.momentum, weight_decay=settings.decay
)
for epoch in range(settings.epochs):
    for rows in torch.randperm(len(task.x)).split(25):
        optimizer.zero_grad()
        loss = objective(model, task.x[rows], task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-objective(model, task.x_held_out, task.y_held_out).item():.4f}")
