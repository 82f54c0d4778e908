"""The final test runs in training mode, and half of the units are missing in each of its answers.

kind: evaluating-in-train-mode
tasks: digits, surface
source: synthetic, row 97
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.utils.data import DataLoader, TensorDataset


def train(model, loader, criterion, optimizer):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def test(model, loader, criterion):
    # fixed: model.eval()
    total, n = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            total += criterion(model(x), y).item() * len(x)  # here
            n += len(x)
    return total / n


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
test_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=64)
model = nn.Sequential(nn.Linear(task.inputs, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, task.outputs))
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
for epoch in range(12):
    train_loss = train(model, train_loader, criterion, optimizer)
    print(f"epoch {epoch} train {train_loss:.4f} test {test(model, test_loader, criterion):.4f}")
print(f"score {-test(model, test_loader, criterion):.4f}")
