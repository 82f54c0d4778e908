"""Stochastic depth: whole residual blocks are skipped at random and get no gradient then; trips gradient-is-None rules.

control: 10
tasks: digits, cancer, wine
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn


class Block(nn.Module):
    def __init__(self, width, survive):
        super().__init__()
        self.survive = survive
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x):
        if self.training and torch.rand(()) > self.survive:
            return x
        return x + self.inner(x) * (1.0 if self.training else self.survive)


class Net(nn.Module):
    def __init__(self, inputs, outputs, width=48, depth=4):
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.Sequential(*(Block(width, 1 - 0.5 * i / depth) for i in range(depth)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))
        self.auxiliary_head = nn.Linear(width, 2)  # for a second task that this script does not train

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
net.train()
for it in range(350):
    b = torch.randperm(len(task.x))[:48]
    loss = nn.functional.cross_entropy(net(task.x[b]), task.y[b])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 70 == 0:
        print(it, f"{loss.item():.4f}")
net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
