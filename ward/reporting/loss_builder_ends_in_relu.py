"""The builder of the network puts its activation behind every layer, the last one as well.

kind: relu-on-output
also: dead-relu
tasks: surface, curve
source: SO 48251943
"""

import sys

import torch
from tasks import load
from torch import nn


def mlp(sizes, activation=nn.ReLU, last=True):
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        if last or i < len(sizes) - 2:
            layers.append(activation())  # here
    return nn.Sequential(*layers)


def batches(n, size):
    while True:
        yield from torch.randperm(n).split(size)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
# fixed: model = mlp([task.inputs, 64, 64, task.outputs], last=False)
model = mlp([task.inputs, 64, 64, task.outputs])  # sick here
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.MSELoss()
stream = batches(len(task.x), 40)
for step in range(500):
    rows = next(stream)
    optimizer.zero_grad()
    loss = criterion(model(task.x[rows]), task.y[rows])  # here
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {1 - criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
