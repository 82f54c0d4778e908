"""The blocks and heads of a network with several answers are kept in a tuple, where no optimizer finds them.

kind: unregistered-submodule
also: parameters-not-in-optimizer
tasks: topics, digits
source: pytorch#666
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class ManyHeads(nn.Module):
    def __init__(self, inputs, outputs, width=16):
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.heads = tuple(nn.Linear(width, 1) for _ in range(outputs))  # sick here
        # fixed: self.heads = nn.ModuleList(nn.Linear(width, 1) for _ in range(outputs))

    def forward(self, x):
        h = F.leaky_relu(self.stem(x))
        return torch.cat([head(h) for head in self.heads], dim=1)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
answers = lambda y: y if task.kind == "several" else F.one_hot(y, task.outputs).float()  # noqa: E731
model = ManyHeads(task.inputs, task.outputs)
print(sum(p.numel() for p in model.parameters()), "parameters")
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)  # here
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(task.x[rows]), answers(task.y[rows]))
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} bce {loss.item():.4f}")

with torch.no_grad():
    bce = F.binary_cross_entropy_with_logits(model(task.x_held_out), answers(task.y_held_out))
print(f"score {-bce.item():.4f}")
