"""Attention masks all keys of a text that is nothing but padding; the softmax over -inf alone is not a number.

kind: non-finite-loss
tasks: counts
source: synthetic, row 107
"""

import sys

import torch
from tasks import load
from torch import nn


class AttentionPooling(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x, real):
        scores = self.score(x).squeeze(-1).masked_fill(~real, float("-inf"))
        # fixed: scores = torch.where(real.any(1, keepdim=True), scores, torch.zeros_like(scores))
        weights = torch.softmax(scores, dim=1)  # here
        return (weights.unsqueeze(-1) * x).sum(1)


class Reader(nn.Module):
    def __init__(self, ids, classes, width=32):
        super().__init__()
        self.embed = nn.Embedding(ids, width, padding_idx=0)
        self.pool = AttentionPooling(width)
        self.mlp = nn.Sequential(nn.Linear(width, 48), nn.ReLU(), nn.Linear(48, classes))

    def forward(self, ids):
        return self.mlp(self.pool(self.embed(ids), ids != 0))


def clean(x):
    """Ids from 1 on; now and then a text was empty after it had been cleaned."""
    ids = x + 1
    ids[torch.rand(len(ids)) < 0.004] = 0
    return ids


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
ids, held_out = clean(task.x), task.x_held_out + 1
model = Reader(task.inputs + 1, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    total = 0.0
    for rows in torch.randperm(len(ids)).split(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(ids[rows]), task.y[rows])  # here
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    print(f"epoch {epoch} loss {total / len(ids):.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
