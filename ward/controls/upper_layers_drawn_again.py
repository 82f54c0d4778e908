"""A small network is loaded, and its two upper layers are drawn again on purpose before it is fine-tuned.

control: transfer
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))


def network():
    return nn.Sequential(
        nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs)
    )


def fit(model, y, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(steps):
        rows = torch.randint(len(task.x), (32,))
        loss = F.cross_entropy(model(task.x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.4f}")


before = network()
fit(before, (task.y + 1) % task.outputs, 200)
model = network()
model.load_state_dict(before.state_dict())
for layer in (model[2], model[4]):
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
fit(model, task.y, 400)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
