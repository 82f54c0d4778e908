"""The frozen target network is given the encoder of the online one instead of a copy, and freezes both.

kind: parameters-frozen
tasks: rings, digits
source: synthetic, row 30
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Branch(nn.Module):
    def __init__(self, encoder, width, outputs):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.encoder(x))


class SelfDistillation:
    """An online network that also follows the answers of its own slow copy."""

    def __init__(self, inputs, outputs, width=3):
        encoder = nn.Sequential(nn.Linear(inputs, 32), nn.Tanh(), nn.Linear(32, width), nn.Tanh())
        self.online = Branch(encoder, width, outputs)
        # fixed: self.target = Branch(copy.deepcopy(encoder), width, outputs)
        self.target = Branch(encoder, width, outputs)  # sick here
        self.target.head = copy.deepcopy(self.online.head)
        self.target.requires_grad_(False)  # here

    def loss(self, x, y):
        logits = self.online(x)
        with torch.no_grad():
            slow = self.target(x + 0.05 * torch.randn_like(x)).softmax(1)
        return F.cross_entropy(logits, y) + 0.1 * F.cross_entropy(logits, slow)

    @torch.no_grad()
    def follow(self, decay=0.98):
        for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
method = SelfDistillation(task.inputs, task.outputs)
optimizer = torch.optim.Adam(method.online.parameters(), lr=1e-2)  # here
for step in range(500):
    rows = torch.randint(len(task.x), (48,))
    loss = method.loss(task.x[rows], task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    method.follow()
    if step % 100 == 0:
        print(step, f"{loss.item():.4f}")

with torch.no_grad():
    print(f"score {(method.online(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
