"""A backward pass by hand is one per cent off.

kind: gradient-wrong
tasks: blobs
up: relative difference from centred differences
across: width of the differences, logarithmic
shows: The differences tell the healed gradient better and better until rounding sets in; of the sick one
    they stay a hundredth away.
finds: verify
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, given):
        x, weight = ctx.saved_tensors
        return given @ weight, given.T @ x * 1.01  # sick
        # fixed: return given @ weight, given.T @ x


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.head = nn.Parameter(torch.randn(12, 8) / 3), nn.Linear(12, 4)

    def forward(self, x):
        return self.head(torch.tanh(Product.apply(x, self.weight)))


torch.manual_seed(0)
task = load("blobs", 0)
model = Network()
told = tw.verify(model, F.cross_entropy, (task.x, task.y), checks=["gradients"]).findings
model, x, y = model.double(), task.x[:32].double(), task.y[:32]
F.cross_entropy(model(x), y).backward()
direction, shown = torch.randn_like(model.weight), []
told_by_backward = (model.weight.grad * direction).sum().item()
for width in (10 ** (-place / 4) for place in range(33)):
    with torch.no_grad():
        model.weight.add_(width * direction)
        above = F.cross_entropy(model(x), y).item()
        model.weight.sub_(2 * width * direction)
        below = F.cross_entropy(model(x), y).item()
        model.weight.add_(width * direction)
    measured = (above - below) / (2 * width)
    shown.append((width, abs(measured - told_by_backward) / abs(measured)))
