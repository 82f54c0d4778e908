"""The optimizer is a property that builds a new one whenever it is asked for, so momentum begins afresh in each step.

kind: optimizer-recreated
tasks: surface, curve
source: row 73
"""

import functools  # noqa: F401
import sys

import torch
from tasks import load
from torch import nn


class Regressor(nn.Module):
    def __init__(self, inputs, width=48):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.out = nn.Linear(width, 1)

    # fixed: @functools.cached_property
    @property  # sick
    def optimizer(self):
        return torch.optim.SGD(self.parameters(), lr=2e-3, momentum=0.98)  # here

    def forward(self, x):
        return self.out(self.net(x))

    def training_step(self, x, y):
        loss = nn.functional.mse_loss(self(x), y)
        self.optimizer.zero_grad()  # here
        loss.backward()
        self.optimizer.step()  # here
        return loss.detach()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Regressor(task.inputs)
for epoch in range(15):
    losses = [model.training_step(task.x[rows], task.y[rows]) for rows in torch.randperm(len(task.x)).split(32)]
    print(f"epoch {epoch}: {torch.stack(losses).mean():.4f}")
with torch.no_grad():
    print(f"score {-nn.functional.mse_loss(model(task.x_held_out), task.y_held_out):.4f}")
