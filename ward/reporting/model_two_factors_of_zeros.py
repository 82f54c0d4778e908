"""A low-rank scorer is the product of two factors that both start at zero: neither gives the other a gradient.

kind: symmetric-initialisation
also: weights-never-updated
tasks: digits, wine
source: synthetic, row 48
"""

import sys

import torch
from tasks import load
from torch import nn


class LowRank(nn.Module):
    """x U V with a narrow waist."""

    def __init__(self, inputs, outputs, rank):
        super().__init__()
        # fixed: self.u = nn.Parameter(torch.randn(inputs, rank) * 0.1)
        self.u = nn.Parameter(torch.zeros(inputs, rank))  # sick here
        self.v = nn.Parameter(torch.zeros(rank, outputs))  # here
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.u @ self.v + self.bias


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = LowRank(task.inputs, task.outputs, rank=6)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()
step = 0
while step < 400:
    rows = torch.randint(len(task.x), (64,))
    loss = criterion(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    step += 1
    if step % 80 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
