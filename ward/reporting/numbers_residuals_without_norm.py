"""Twenty residual blocks of gain two without any normalisation: the gradients grow from block to block.

kind: exploding-gradients
also: activations-change-scale-with-depth, initial-loss-too-high, non-finite-loss
tasks: digits, blobs
source: synthetic, row 103
"""

import sys

import torch
from tasks import load
from torch import nn


class ResidualBlock(nn.Module):
    def __init__(self, width, scale):
        super().__init__()
        self.scale = scale
        self.body = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        for layer in (self.body[0], self.body[2]):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return x + self.scale * self.body(x)


def make_model(inputs, outputs, depth=20, width=40):
    # fixed: scale = 1 / depth
    scale = 1.0  # sick here
    blocks = [ResidualBlock(width, scale) for _ in range(depth)]
    return nn.Sequential(nn.Linear(inputs, width), *blocks, nn.Linear(width, outputs))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = make_model(task.inputs, task.outputs)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    for rows in torch.randperm(len(task.x)).split(50):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()  # here
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
