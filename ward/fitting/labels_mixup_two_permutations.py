"""Mixup draws one permutation for the inputs and another one for the labels.

kind: labels-unrelated-to-inputs
tasks: digits, blobs
source: synthetic, row 23
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


def mixup(x, y, classes):
    lam = torch.distributions.Beta(1.0, 1.0).sample()
    partner = torch.randperm(len(x))
    mixed = lam * x + (1 - lam) * x[partner]
    partner = torch.randperm(len(x))  # sick
    one_hot = F.one_hot(y, classes).float()
    return mixed, lam * one_hot + (1 - lam) * one_hot[partner]


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(50):
        x, y = mixup(task.x[rows], task.y[rows], task.outputs)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)  # here
        loss.backward()
        optimizer.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} soft loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-F.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
