"""The rows were sorted by their target for a plot, and the loader serves them in that order.

kind: data-not-shuffled
tasks: surface, curve, digits
source: super-gradients#416
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.utils.data import DataLoader, TensorDataset

seed, name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
task = load(name, seed)

order = task.y.flatten().argsort()
x_sorted, y_sorted = task.x[order], task.y[order]
print("targets from", y_sorted[0].item(), "to", y_sorted[-1].item())

dataset = TensorDataset(x_sorted, y_sorted)
loader = DataLoader(dataset, batch_size=25)  # sick here
# fixed: loader = DataLoader(dataset, batch_size=25, shuffle=True)

net = nn.Sequential()
net.add_module("fc1", nn.Linear(task.inputs, 50))
net.add_module("act1", nn.Tanh())
net.add_module("fc2", nn.Linear(50, task.outputs))
loss_fn = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)

for epoch in range(20):
    epoch_loss = 0
    for x, y in loader:  # here
        loss = loss_fn(net(x), y)
        net.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    if (epoch + 1) % 5 == 0:
        print("epoch", epoch + 1, "loss", round(epoch_loss / len(loader), 4))

with torch.no_grad():
    print("score %.4f" % -loss_fn(net(task.x_held_out), task.y_held_out).item())
