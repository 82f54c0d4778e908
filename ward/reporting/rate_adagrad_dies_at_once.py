"""Adagrad gets a lr_decay of 0.95, meant as a factor for each epoch; it divides the rate by 1 + 0.95 t at step t.

kind: learning-rate-too-low
tasks: digits, counts
source: synthetic, row 81
"""

import sys
from itertools import pairwise

import torch
from tasks import load
from torch import nn
from torch.optim import Adagrad


def encode(x, ids):
    if x.dtype != torch.int64:
        return x
    return nn.functional.one_hot(x, ids).float().sum(dim=1) - x.shape[1] / ids


class Mlp(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    x, x_held_out = encode(task.x, task.inputs), encode(task.x_held_out, task.inputs)
    model = Mlp([x.shape[1], 64, 32, task.outputs])
    # fixed: optimizer = Adagrad(model.parameters(), lr=0.02)
    optimizer = Adagrad(model.parameters(), lr=0.02, lr_decay=0.95)  # sick here
    for epoch in range(10):
        for rows in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[rows]), task.y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # here
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"score {-nn.functional.cross_entropy(model(x_held_out), task.y_held_out).item():.4f}")


main()
