"""A loop that resets "all layers for a fresh start" stands behind the loading of the pretrained weights.

kind: weights-not-loaded
tasks: digits, blobs
source: synthetic, row 51
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def build(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 56), nn.Tanh(), nn.Linear(56, outputs))


def fit(model, x, y, rate, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        rows = torch.randint(len(x), (32,))
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
teacher = build(task.inputs, task.outputs)
fit(teacher, task.x, task.y, 3e-3, 300)
saved = copy.deepcopy(teacher.state_dict())
model = build(task.inputs, task.outputs)
model.load_state_dict(saved)  # here
for layer in model:
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()  # sick here
        # fixed: pass
fit(model, task.x, task.y, 1e-4, 80)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
