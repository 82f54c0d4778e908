"""The losses of the batches are averaged as they are, though the last batch is much smaller than the others.

kind: batch-means-averaged
tasks: digits, blobs, wine
source: mlcommons/training#89
gap: none, only the reported loss is wrong
unseen: the losses have left torch as plain numbers by the time that they are averaged
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
size = (len(task.x_held_out) - 1) // 2
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
val_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=size)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


@torch.no_grad()
def validate():
    model.eval()
    losses, sizes = [], []
    for x, y in val_loader:
        losses.append(criterion(model(x), y).item())  # here
        sizes.append(len(x))
    mean = sum(losses) / len(losses)  # sick here
    # fixed: mean = sum(a * n for a, n in zip(losses, sizes, strict=True)) / sum(sizes)
    return mean


for epoch in range(8):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f} val loss {validate():.4f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
