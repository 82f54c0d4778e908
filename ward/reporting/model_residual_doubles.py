"""Each block adds its input twice, once inside and once outside, so the signal doubles from block to block.

kind: activations-change-scale-with-depth
also: exploding-gradients, initial-loss-too-high
tasks: digits, blobs
source: synthetic, row 47
"""

import sys

import torch
from tasks import load
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x):
        return x + self.second(torch.relu(self.first(x)))


class ResNet(nn.Module):
    def __init__(self, inputs, outputs, width=48, depth=14):
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            # fixed: x = block(x)
            x = x + block(x)  # sick here
        return self.head(x)  # here


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = ResNet(task.inputs, task.outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(5):
        for rows in torch.randperm(len(task.x)).split(64):
            optimizer.zero_grad()
            loss = criterion(model(task.x[rows]), task.y[rows])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")


main()
