"""Attention pooling takes its softmax over the last dimension, which holds the one score: every weight is 1.

kind: softmax-over-one-unit
also: softmax-wrong-dimension
tasks: chain
source: SO 34311586
"""

import sys

import torch
from tasks import load
from torch import nn


class AttentionPool(nn.Module):
    """Weighs the places of a sequence by what they say of themselves."""

    def __init__(self, width):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, hidden):
        weights = torch.softmax(self.score(hidden), dim=-1)  # sick here
        # fixed: weights = torch.softmax(self.score(hidden), dim=1)
        return (weights * hidden).sum(dim=1)


class WhatComesNext(nn.Module):
    def __init__(self, words, width=32, longest=20):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(longest, width)
        self.pool = AttentionPool(width)
        self.out = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, words))

    def forward(self, ids):
        return self.out(self.pool(self.words(ids) + self.places(torch.arange(ids.shape[1]))))


def accuracy(model, x, y):
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = WhatComesNext(task.inputs)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(30):
    for rows in torch.randperm(len(task.x)).split(30):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows, -1])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 6 == 0:
        print(
            f"epoch {epoch} loss {loss.item():.3f} valid {accuracy(model, task.x_held_out, task.y_held_out[:, -1]):.3f}"
        )
print(f"score {accuracy(model, task.x_held_out, task.y_held_out[:, -1]):.4f}")
