"""The network is built from a table of settings; where it names no output activation the builder adds a softmax.

kind: softmax-before-cross-entropy
tasks: digits, wine
source: row 53
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "none": nn.Identity, "softmax": lambda: nn.Softmax(dim=-1)}


@dataclass
class Settings:
    sizes: tuple[int, ...]
    hidden: str = "relu"
    # fixed: output: str = "none"
    output: str = "softmax"  # sick here


def build(settings):
    layers = []
    for n_in, n_out in zip(settings.sizes[:-2], settings.sizes[1:-1], strict=True):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[settings.hidden]()]
    layers += [nn.Linear(*settings.sizes[-2:]), ACTIVATIONS[settings.output]()]  # here
    return nn.Sequential(*layers)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = build(Settings(sizes=(task.inputs, 48, 32, task.outputs)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    held_out = model(task.x_held_out).log_softmax(1)
    print(f"score {-nn.functional.nll_loss(held_out, task.y_held_out).item():.4f}")
