"""The best network so far is kept by copying its parameters; the statistics of its batch norm are no parameters.

kind: batch-norm-statistics-stale
tasks: tiles, shapes
source: row 100
"""

import copy
import sys

import torch
from tasks import load
from torch import nn


class SmallConvNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(
            *self.block(channels, 12), nn.MaxPool2d(2), *self.block(12, 24), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        self.classifier = nn.Linear(96, classes)

    @staticmethod
    def block(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()

    def forward(self, x):
        return self.classifier(self.features(4 * x + 2))


def keep(kept, model):
    with torch.no_grad():
        # fixed: for old, new in zip(kept.state_dict().values(), model.state_dict().values(), strict=True):
        for old, new in zip(kept.parameters(), model.parameters(), strict=True):  # sick here
            old.copy_(new)  # here


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        found = model(x).argmax(1)  # here
    model.train()
    return (found == y).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = SmallConvNet(task.inputs, task.outputs)
best, best_accuracy = copy.deepcopy(model), 0.0
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(5):
    for rows in torch.randperm(len(task.x)).split(48):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    now = accuracy(model, task.x[:200], task.y[:200])
    if now > best_accuracy:
        best_accuracy = now
        keep(best, model)
    print(f"epoch {epoch} loss {loss.item():.3f} accuracy {now:.3f}")
print(f"score {accuracy(best, task.x_held_out, task.y_held_out):.4f}")  # here
