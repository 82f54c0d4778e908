"""A linear warmup begins at a thousandth of the rate, and no one ever steps it.

kind: scheduler-never-stepped
also: learning-rate-too-low
tasks: surface, chain
source: synthetic, row 84
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import LinearLR


class System:
    """Model, optimizer and schedule, as a framework would hold them."""

    def __init__(self, task):
        first = nn.Embedding(task.inputs, 48) if task.kind == "next token" else nn.Linear(task.inputs, 48)
        self.model = nn.Sequential(first, nn.GELU(), nn.Linear(48, task.outputs))
        self.regression = task.kind == "values"

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=4e-3)
        scheduler = LinearLR(optimizer, start_factor=1e-3, total_iters=40)  # here
        return optimizer, scheduler

    def training_step(self, x, y):
        output = self.model(x)
        if self.regression:
            return nn.functional.mse_loss(output, y)
        return nn.functional.cross_entropy(output.flatten(0, -2), y.flatten())


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
system = System(task)
optimizer, scheduler = system.configure_optimizers()
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = system.training_step(task.x[rows], task.y[rows])
        loss.backward()
        optimizer.step()  # here
        # fixed: scheduler.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-system.training_step(task.x_held_out, task.y_held_out).item():.4f}")
