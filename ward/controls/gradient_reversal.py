"""Domain-adversarial training: a layer turns the gradient of one head around, and that head's loss shall not fall;
trips rules on loss signs and plateaus.

control: gradient reversal
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -0.3 * gradient


class DANN(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU())
        self.label = nn.Linear(64, classes)
        self.domain = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x):
        h = self.features(x)
        return self.label(h), self.domain(Reverse.apply(h))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
shift = 0.5 * torch.randn(task.inputs)
model = DANN(task.inputs, task.outputs)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(32):
        source, target = task.x[rows], task.x[torch.randint(len(task.x), (len(rows),))] + shift
        label, domain = model(torch.cat([source, target]))
        is_target = torch.cat([torch.zeros(len(rows)), torch.ones(len(rows))]).long()
        loss = F.cross_entropy(label[: len(rows)], task.y[rows]) + F.cross_entropy(domain, is_target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out)[0].argmax(1) == task.y_held_out).float().mean().item():.4f}")
