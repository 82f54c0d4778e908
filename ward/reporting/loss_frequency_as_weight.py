"""The share of each class is given as its weight, so that the rare classes count even less than they would.

kind: class-weights-inverted
also: class-imbalance
tasks: blobs, digits
source: rows 22 and 65
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def thin_out(x, y, classes, share=0.12):
    """Return the rows, with few of the lower half of the classes."""
    kept = (y >= classes // 2) | (torch.rand(len(y)) < share)
    return x[kept], y[kept]


def class_weights(y, classes):
    counts = torch.bincount(y, minlength=classes).float()
    return counts / counts.mean()  # sick here
    # fixed: return counts.mean() / counts


def balanced_accuracy(model, x, y):
    with torch.no_grad():
        right = (model(x).argmax(1) == y).float()
    return torch.stack([right[y == label].mean() for label in y.unique()]).mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = thin_out(task.x, task.y, task.outputs)
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(task.inputs, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, task.outputs))
criterion = nn.CrossEntropyLoss(weight=class_weights(y, task.outputs))  # here
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(6):
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)  # here
        loss.backward()
        optimizer.step()
    model.eval()
    print(f"epoch {epoch} balanced {balanced_accuracy(model, task.x_held_out, task.y_held_out):.3f}")
print(f"score {balanced_accuracy(model, task.x_held_out, task.y_held_out):.4f}")
