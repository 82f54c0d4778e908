"""The loss is the mean over the samples of a rare class, and a batch without one of them divides zero by zero.

kind: non-finite-loss
tasks: digits, blobs, wine
source: synthetic, row 106
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def balanced_loss(logits, labels):
    losses = F.cross_entropy(logits, labels, reduction="none")
    total = 0.0
    for c in range(task.outputs):
        mask = (labels == c).float()
        total = total + (losses * mask).sum() / mask.sum()  # sick here
        # fixed: total = total + (losses * mask).sum() / mask.sum().clamp(min=1)
    return total / task.outputs


for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(12):
        loss = balanced_loss(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
