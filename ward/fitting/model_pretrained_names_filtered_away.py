"""The saved weights are filtered by name for "those that fit"; names with a prefix fit nowhere, and none is loaded.

kind: weights-not-loaded
tasks: digits, cancer
source: synthetic, row 51
"""

import sys

import torch
from tasks import load
from torch import nn, optim


def make_net(task):
    return nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))


def fit(net, x, y, epochs, lr):
    optimizer = optim.Adam(net.parameters(), lr=lr)
    for epoch in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch} loss {loss.item():.4f}")


def load_pretrained(net, saved):
    own = net.state_dict()
    fitting = {name: weight for name, weight in saved.items() if name in own}  # sick
    # fixed: fitting = {name[7:]: weight for name, weight in saved.items() if name[7:] in own}
    own.update(fitting)
    net.load_state_dict(own)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
half = len(task.x) // 2
first = make_net(task)
fit(first, task.x, task.y, epochs=12, lr=3e-3)
torch_file = {f"module.{name}": weight.clone() for name, weight in first.state_dict().items()}

second = make_net(task)
load_pretrained(second, torch_file)  # here
fit(second, task.x[half:], task.y[half:], epochs=2, lr=2e-4)
with torch.no_grad():
    print(f"score {(second(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
