"""Dropout straight before batch norm: it learns the variance of thinned values, and is wrong once nothing is dropped.

kind: dropout-before-batch-norm
also: batch-norm-statistics-stale
tasks: curve
source: synthetic, row 38
"""

import sys
from itertools import pairwise

import torch
from tasks import load
from torch import nn


def layer(inputs, outputs, drop):
    return nn.Sequential(
        nn.Linear(inputs, outputs),
        nn.ReLU(),
        nn.Dropout(drop),  # sick here
        nn.BatchNorm1d(outputs),  # here
        # fixed: nn.Dropout(drop),
    )


class Perceptron(nn.Module):
    def __init__(self, inputs, widths=(128, 128, 128), drop=0.5):
        super().__init__()
        sizes = [inputs, *widths]
        self.layers = nn.Sequential(*[layer(a, b, drop) for a, b in pairwise(sizes)])
        self.out = nn.Linear(widths[-1], 1)

    def forward(self, x):
        return self.out(self.layers(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Perceptron(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(25):
    model.train()
    for rows in torch.randperm(len(task.x)).split(64):
        if len(rows) < 8:
            continue
        loss = nn.functional.mse_loss(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        held_out = nn.functional.mse_loss(model(task.x_held_out), task.y_held_out).item()
    print(f"epoch {epoch} loss {loss.item():.4f} held out {held_out:.4f}")
print(f"score {-held_out:.4f}")
