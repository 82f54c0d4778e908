"""A custom autograd.Function (a straight-through sign) whose backward is not its derivative, on purpose;
trips gradient checks.

control: custom autograd.Function
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class BinarySign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class BinaryNet(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = nn.Linear(inputs, 128)
        self.norm = nn.BatchNorm1d(128)
        self.second = nn.Linear(128, outputs)

    def forward(self, x):
        return self.second(BinarySign.apply(self.norm(self.first(x))))


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
net = BinaryNet(task.inputs, task.outputs)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
net.train()
for step in range(400):
    rows = torch.randint(len(task.x), (64,))
    loss = nn.functional.cross_entropy(net(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
