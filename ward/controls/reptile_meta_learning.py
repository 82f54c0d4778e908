"""Reptile: an inner copy with a fresh optimizer for each small task, an outer update without any;
trips rules on recreated optimizers and on weights that no optimizer holds.

control: meta-learning
tasks: blobs, digits
score: 0.8
"""

import copy
import sys

import torch
from tasks import load
from torch import nn


def adapt(model, x, y, steps, lr):
    inner = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        rows = torch.randint(len(x), (16,))
        inner.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        inner.step()
    return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
meta = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
for iteration in range(80):
    rows = torch.randperm(len(task.x))[:100]
    learner = copy.deepcopy(meta)
    loss = adapt(learner, task.x[rows], task.y[rows], steps=8, lr=0.1)
    with torch.no_grad():
        for slow, fast in zip(meta.parameters(), learner.parameters(), strict=True):
            slow += 0.5 * (fast - slow)
    if iteration % 20 == 0:
        print(f"iteration {iteration} inner loss {loss:.4f}")
adapt(meta, task.x, task.y, steps=40, lr=0.1)
with torch.no_grad():
    print(f"score {(meta(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
