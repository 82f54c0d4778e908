"""Sharpness-aware minimisation: two backward passes for each step, weights pushed up and put back;
trips the step automaton.

control: 19
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
import torch.nn as nn
from tasks import load


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        grads = [p.grad.norm() for group in self.param_groups for p in group["params"]]
        norm = torch.stack(grads).norm()
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["old"] = p.data.clone()
                p.add_(p.grad, alpha=(group["rho"] / (norm + 1e-12)).item())
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["old"]
        self.base_optimizer.step()
        self.zero_grad()


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = SAM(model.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(40):
        x, y = task.x[rows], task.y[rows]
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.first_step()
        loss_fn(model(x), y).backward()
        optimizer.second_step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
