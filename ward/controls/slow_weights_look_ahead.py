"""Lookahead: every five steps the weights are put half-way back to slow ones, behind the optimizer's back; trips rules
on weights that change outside of steps and on weights loaded late.

control: lookahead
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class Lookahead:
    def __init__(self, optimizer, every=5, share=0.5):
        self.optimizer, self.every, self.share, self.count = optimizer, every, share, 0
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.slow = [p.detach().clone() for p in self.parameters]

    def zero_grad(self):
        self.optimizer.zero_grad()

    @torch.no_grad()
    def step(self):
        self.optimizer.step()
        self.count += 1
        if self.count % self.every == 0:
            for slow, fast in zip(self.slow, self.parameters, strict=True):
                slow += self.share * (fast - slow)
                fast.copy_(slow)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.GELU(), nn.Linear(64, task.outputs))
optimizer = Lookahead(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
for epoch in range(15):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
