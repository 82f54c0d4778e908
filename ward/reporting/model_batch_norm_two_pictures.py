"""Pictures come two at a time, all that the memory holds, and batch norm takes its statistics of the two.

kind: batch-norm-tiny-batch
also: batch-norm-statistics-stale
tasks: shapes
source: pytorch#4741
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def norm(channels):
    return nn.BatchNorm1d(channels)  # sick here
    # fixed: return nn.LayerNorm(channels)


class ShapeScore(nn.Module):
    """Describes a picture by a few filters, and answers from their norms."""

    def __init__(self, channels, classes):
        super().__init__()
        self.conv = nn.Conv2d(channels, 16, 5, stride=2, padding=2)
        self.hidden = nn.Linear(16 * 64, 64)
        self.norm1 = norm(64)  # here
        self.hidden2 = nn.Linear(64, 64)
        self.norm2 = norm(64)  # here
        self.out = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.conv(x)).flatten(1)
        x = F.relu(self.norm1(self.hidden(x)))  # here
        x = F.relu(self.norm2(self.hidden2(x)))  # here
        return self.out(x)


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = ShapeScore(task.inputs, task.outputs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for epoch in range(3):
        model.train()
        for rows in torch.randperm(len(task.x)).split(2):
            if len(rows) < 2:
                continue
            loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
        print(f"epoch {epoch} loss {loss.item():.3f} accuracy {accuracy:.3f}")
    print(f"score {accuracy:.4f}")


if __name__ == "__main__":
    main()
