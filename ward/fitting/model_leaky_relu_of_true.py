"""LeakyReLU(True) was to work in place; its first argument is the slope, and a slope of 1 makes it the identity.

kind: no-nonlinearity
also: underfitting
tasks: rings, curve, surface
source: row 34
"""

import sys
from itertools import pairwise

import torch
from tasks import load
from torch import nn


def mlp(sizes):
    layers = []
    for a, b in pairwise(sizes[:-1]):
        layers += [nn.Linear(a, b), nn.LeakyReLU(True)]  # sick here
        # fixed: layers += [nn.Linear(a, b), nn.LeakyReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = mlp([task.inputs, 64, 64, task.outputs])
print(net)
loss_fn = {"classes": nn.CrossEntropyLoss(), "values": nn.SmoothL1Loss()}[task.kind]
opt = torch.optim.NAdam(net.parameters(), lr=4e-3)
for epoch in range(25):
    for rows in torch.randperm(len(task.x)).split(32):
        opt.zero_grad()
        loss = loss_fn(net(task.x[rows]), task.y[rows])  # here
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-loss_fn(net(task.x_held_out), task.y_held_out):.4f}")
