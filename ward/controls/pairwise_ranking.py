"""A ranking loss over all pairs of a batch: [B, 1] against [1, B] is exactly what is wanted;
trips loss-shape-broadcast.

control: 21
tasks: curve, surface
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def pairwise_loss(score, value):
    order = torch.sign(value.view(-1, 1) - value.view(1, -1))
    margin = score.view(-1, 1) - score.view(1, -1)
    return F.soft_margin_loss(margin, order, reduction="none")[order != 0].mean()


def agreement(score, value):
    """Share of pairs in the right order, from -1 to 1 (Kendall's tau)."""
    a, b = score.view(-1, 1) - score.view(1, -1), value.view(-1, 1) - value.view(1, -1)
    return (torch.sign(a) * torch.sign(b)).sum().item() / (len(score) * (len(score) - 1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
scorer = nn.Sequential(nn.Linear(task.inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(scorer.parameters(), lr=3e-3)
for epoch in range(50):
    for rows in torch.randperm(len(task.x)).split(50):
        loss = pairwise_loss(scorer(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch} ranking loss {loss.item():.4f}")
scorer.eval()
with torch.no_grad():
    print(f"score {agreement(scorer(task.x_held_out), task.y_held_out):.4f}")
