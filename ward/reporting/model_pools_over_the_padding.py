"""The mask of the mean is turned round: it keeps the padding and drops the words, so every text looks the same.

kind: outputs-ignore-input
also: collapsed-predictions
tasks: counts
source: synthetic, row 40
"""

import sys

import torch
from tasks import load
from torch import nn

PAD = 0


class MeanOfWords(nn.Module):
    def __init__(self, vocabulary, classes, width=24):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.mlp = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, classes))

    def forward(self, ids):
        # fixed: mask = (ids != PAD).float().unsqueeze(-1)
        mask = (ids == PAD).float().unsqueeze(-1)  # sick here
        pooled = (self.embed(ids) * mask).sum(1) / mask.sum(1).clamp(min=1)  # here
        return self.mlp(pooled)


def add_padding(x, extra=4):
    """Ids from 1 on, and a tail of padding as a collate function would add it."""
    return torch.cat([x + 1, torch.zeros(len(x), extra, dtype=torch.int64)], dim=1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_held_out = add_padding(task.x), add_padding(task.x_held_out)
model = MeanOfWords(task.inputs + 1, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    total = 0.0
    for rows in torch.randperm(len(x)).split(64):
        loss = nn.functional.cross_entropy(model(x[rows]), task.y[rows])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    print(f"epoch {epoch} loss {total / len(x):.4f}")

with torch.no_grad():
    print(f"score {(model(x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
