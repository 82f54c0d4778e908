"""The head is replaced for the new number of classes after the optimizer was built, which keeps the old one.

kind: parameters-not-in-optimizer
tasks: digits, tiles, shapes
source: accelerate#2665
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Backbone(nn.Module):
    def __init__(self, size, classes=1000):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size, 16), nn.ReLU())
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        return self.fc(self.body(x))


def build(size, classes):
    model = Backbone(size)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)  # sick here
    model.fc = nn.Linear(16, classes)  # here
    # fixed: optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return model, optimizer


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)
    model, optimizer = build(task.x[0].numel(), task.outputs)
    for epoch in range(6):
        model.train()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # here
        print(f"epoch {epoch}: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        loss = F.cross_entropy(model(task.x_held_out), task.y_held_out)
    print(f"score {-loss.item():.4f}")


main(int(sys.argv[1]), sys.argv[2])
