"""Sixty careful steps from near the optimum gain next to nothing, as intended;
trips rate-too-low and learns-nothing rules.

control: 24
tasks: digits, blobs, cancer
score: 0.8
"""

import sys
import tempfile
from pathlib import Path

import torch
from tasks import load
from torch import nn


def build(task):
    return nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))


def train(model, task, steps, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    first = last = None
    for _ in range(steps):
        rows = torch.randint(len(task.x), (64,))
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = first or loss.item(), loss.item()
    print(f"{steps} steps at {lr}: {first:.4f} -> {last:.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "base.pt"
    base = build(task)
    train(base, task, steps=400, lr=0.1)
    torch.save(base.state_dict(), path)
    tuned = build(task)
    tuned.load_state_dict(torch.load(path, weights_only=True))
train(tuned, task, steps=60, lr=1e-3)
tuned.eval()
with torch.no_grad():
    print(f"score {(tuned(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
