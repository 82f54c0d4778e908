"""Two branches live in an ordinary dict and never reach the optimizer.

kind: unregistered-submodule
also: parameters-not-in-optimizer
tasks: rings, blobs, shapes
source: pytorch#1053
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def branch(inputs):
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2), nn.Tanh())


class TwoBranches(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        branches = {"left": branch(inputs), "right": branch(inputs)}
        self.branches = branches  # sick here
        # fixed: self.branches = nn.ModuleDict(branches)
        self.classifier = nn.Linear(4, classes)

    def forward(self, x):
        return self.classifier(torch.cat([self.branches["left"](x), self.branches["right"](x)], dim=1))


def run(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    x, x_test = task.x.flatten(1), task.x_held_out.flatten(1)
    model = TwoBranches(x.shape[1], task.outputs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)  # here
    for epoch in range(16):
        for rows, labels in DataLoader(TensorDataset(x, task.y), batch_size=32, shuffle=True):
            loss = nn.functional.cross_entropy(model(rows), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 4 == 0:
            print(f"epoch {epoch} loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        return (model(x_test).argmax(1) == task.y_held_out).float().mean().item()


print(f"score {run(int(sys.argv[1]), sys.argv[2]):.4f}")
