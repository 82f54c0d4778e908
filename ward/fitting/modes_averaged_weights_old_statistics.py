"""The weights of all epochs but one are averaged, and the statistics of batch norm are taken anew for the wrong model.

kind: batch-norm-statistics-stale
tasks: tiles, shapes
source: row 100
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset


def make(channels, classes):
    return nn.Sequential(
        nn.Conv2d(channels, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(96, classes),
    )


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x * 4 + 3, task.y), batch_size=50, shuffle=True, drop_last=True)
model = make(task.inputs, task.outputs)
averaged = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    if epoch >= 1:
        averaged.update_parameters(model)
    print(f"epoch {epoch} loss {loss.item():.4f}")

# fixed: update_bn(loader, averaged)
update_bn(loader, model)  # sick
averaged.eval()  # here
with torch.no_grad():
    held_out = criterion(averaged(task.x_held_out * 4 + 3), task.y_held_out)  # here
print(f"score {-held_out.item():.4f}")
