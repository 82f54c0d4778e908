"""The margin of a cosine classifier is added to the right class instead of taken from it: all is right from the start.

kind: initial-loss-too-low
tasks: digits, blobs
source: row 50
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class CosineMarginHead(nn.Module):
    """Additive margin softmax: the right class must win by a margin."""

    def __init__(self, width, classes, scale=24.0, margin=0.5):
        super().__init__()
        self.weight = nn.Parameter(0.2 * torch.randn(classes, width))
        self.scale, self.margin = scale, margin

    def forward(self, features, labels=None):
        cosine = F.normalize(features) @ F.normalize(self.weight).T
        if labels is None:
            return cosine
        right = F.one_hot(labels, len(self.weight))
        return self.scale * (cosine + self.margin * right)  # sick here
        # fixed: return self.scale * (cosine - self.margin * right)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
embed = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.PReLU(), nn.Linear(64, 48))
head = CosineMarginHead(48, task.outputs)
optimizer = torch.optim.SGD([*embed.parameters(), *head.parameters()], lr=0.1)
for epoch in range(4):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = F.cross_entropy(head(embed(task.x[rows]), task.y[rows]), task.y[rows])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    found = head(embed(task.x_held_out)).argmax(1)
print(f"score {(found == task.y_held_out).float().mean():.4f}")
