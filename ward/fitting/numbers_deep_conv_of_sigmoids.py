"""Seven convolutions with sigmoids between them: hardly any gradient arrives at the first ones.

kind: vanishing-gradients
also: outputs-ignore-input, underfitting
tasks: tiles
source: synthetic, row 35
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

activation = nn.Sigmoid  # sick here
# fixed: activation = nn.ReLU


def block(i, o):
    return [nn.Conv2d(i, o, 3, padding=1), activation()]  # here


def make(channels, classes, depth=7, width=10):
    layers = block(channels, width)
    for _ in range(depth - 1):
        layers += block(width, width)
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(4 * width, classes))


def accuracy(net, x, y):
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = make(task.inputs, task.outputs)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
for epoch in range(6):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()  # here
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
print(f"score {accuracy(net, task.x_held_out, task.y_held_out):.4f}")
