"""The function for one micro-batch begins by clearing the gradients, so that only the last of eight is left to step on.

kind: zero-grad-inside-accumulation
tasks: digits, tiles
source: PreDiff#32
"""

import sys

import torch
from tasks import load
from torch import nn


def micro_step(model, x, y, parts):
    """Add the gradients of a micro-batch, which is one of so many parts."""
    model.zero_grad()  # sick here
    loss = nn.functional.cross_entropy(model(x), y) / parts
    loss.backward()
    return loss.item()


def big_step(model, optimizer, x, y, parts):
    total = 0.0
    # fixed: optimizer.zero_grad()
    for x_part, y_part in zip(x.chunk(parts), y.chunk(parts), strict=True):
        total += micro_step(model, x_part, y_part, parts)  # here
    optimizer.step()  # here
    return total


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(100):
    rows = torch.randint(len(task.x), (64,))
    loss = big_step(model, optimizer, task.x[rows], task.y[rows], parts=8)
    if step % 20 == 0:
        print(f"step {step} loss {loss:.3f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
