"""A search over learning rates that builds a new model for every trial, then trains with the best;
trips optimizer-recreated.

control: learning-rate search
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


def train(task, rows, lr, steps):
    model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for _ in range(steps):
        batch = rows[torch.randint(len(rows), (32,))]
        loss = nn.functional.cross_entropy(model(task.x[batch]), task.y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def held_out_loss(model, x, y):
    with torch.no_grad():
        return nn.functional.cross_entropy(model(x), y).item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
order = torch.randperm(len(task.x))
inner, validation = order[len(order) // 5 :], order[: len(order) // 5]
results = {}
for lr in (3e-3, 1e-2, 3e-2, 1e-1):
    results[lr] = held_out_loss(train(task, inner, lr, 120), task.x[validation], task.y[validation])
    print(f"lr {lr:g}: validation loss {results[lr]:.4f}")
best = min(results, key=results.get)
print(f"best {best:g}")
model = train(task, order, best, 400)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
