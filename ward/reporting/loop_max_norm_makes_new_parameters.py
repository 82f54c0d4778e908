"""A max-norm constraint puts new Parameters into the layers, which the optimizer has never seen.

kind: parameter-rebound
also: parameters-not-in-optimizer, weights-never-updated
tasks: digits, blobs
source: pytorch#14467
"""

import sys

import torch
from tasks import load
from torch import nn, optim


def max_norm(model, limit=3.0):
    for layer in model:
        if isinstance(layer, nn.Linear):
            norms = layer.weight.detach().norm(dim=1, keepdim=True)
            shrink = (limit / norms).clamp(max=1.0)
            layer.weight = nn.Parameter(layer.weight.detach() * shrink)  # sick here
            # fixed: layer.weight.data.mul_(shrink)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, task.outputs))
optimizer = optim.Adagrad(model.parameters(), lr=0.02)  # here
criterion = nn.CrossEntropyLoss()
best = 0.0
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()  # here
        max_norm(model)
    with torch.no_grad():
        accuracy = (model(task.x).argmax(1) == task.y).float().mean().item()
    best = max(best, accuracy)
    print(f"epoch {epoch} loss {loss.item():.4f} accuracy {accuracy:.3f} best {best:.3f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
