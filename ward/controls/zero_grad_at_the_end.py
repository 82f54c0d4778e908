"""Gradients are cleared at the end of a step by a callback, never before backward; trips missing-zero-grad rules.

control: 12
tasks: digits, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class Callbacks(list):
    def __call__(self, *args):
        for callback in self:
            callback(*args)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
after_step = Callbacks([lambda: optimizer.zero_grad(set_to_none=False)])
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
        after_step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
