"""Adversarial training: gradients with respect to the inputs first, then to the weights;
trips zero_grad and double-backward rules.

control: two backward per step (19)
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def attack(model, x, y, size=0.1):
    """One step of the fast gradient sign method."""
    x = x.clone().requires_grad_(True)
    F.cross_entropy(model(x), y).backward()
    return (x + size * x.grad.sign()).detach()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(350):
    rows = torch.randint(len(task.x), (64,))
    x, y = task.x[rows], task.y[rows]
    harder = attack(model, x, y)
    optimizer.zero_grad()
    loss = 0.5 * F.cross_entropy(model(x), y) + 0.5 * F.cross_entropy(model(harder), y)
    loss.backward()
    optimizer.step()
    if step % 70 == 0:
        print(f"step {step}: {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
