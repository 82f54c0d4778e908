"""The loss has weights of its own, the centres of the classes, and the optimizer was given those of the net alone.

kind: parameters-not-in-optimizer
tasks: digits, blobs
source: row 70
"""

import sys

import torch
from tasks import load
from torch import nn


class PrototypeLoss(nn.Module):
    """Cross-entropy over distances to one learnt centre for each class."""

    def __init__(self, classes, width):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(classes, width) * 0.02 + 1.0)  # here
        self.width = nn.Parameter(torch.zeros(()))

    def scores(self, embedded):
        return -torch.cdist(embedded, self.centres).square() * self.width.exp()

    def forward(self, embedded, labels):
        return nn.functional.cross_entropy(self.scores(embedded), labels)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
embedder = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 8), nn.Tanh())
criterion = PrototypeLoss(task.outputs, 8)
# fixed: optimizer = torch.optim.Adam([*embedder.parameters(), *criterion.parameters()], lr=3e-3)
optimizer = torch.optim.Adam(embedder.parameters(), lr=3e-3)  # sick here
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(40):
        loss = criterion(embedder(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        criterion.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    guess = criterion.scores(embedder(task.x_held_out))
    print(f"score {-nn.functional.cross_entropy(guess, task.y_held_out).item():.4f}")
