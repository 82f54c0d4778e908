"""The gradients are cleared at the start of each epoch instead of before each batch.

kind: missing-zero-grad
tasks: digits, blobs, shapes
source: synthetic, row 67
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(TensorDataset(task.x.flatten(1), task.y), batch_size=32, shuffle=True, drop_last=True)

features = task.x[0].numel()
model = nn.Sequential(nn.Linear(features, 80), nn.BatchNorm1d(80), nn.ReLU(), nn.Linear(80, task.outputs))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_one_epoch():
    model.train()
    optimizer.zero_grad()  # sick here
    losses = 0.0
    for xb, yb in train_loader:
        # fixed: optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()  # here
        optimizer.step()  # here
        losses += loss.item()
    return losses / len(train_loader)


def evaluate():
    model.eval()
    with torch.no_grad():
        return (model(task.x_held_out.flatten(1)).argmax(1) == task.y_held_out).float().mean().item()


for epoch in range(12):
    train_loss = train_one_epoch()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {train_loss:.3f} accuracy {evaluate():.3f}")
print(f"score {evaluate():.4f}")
