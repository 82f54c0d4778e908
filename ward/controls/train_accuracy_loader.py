"""Beside the validation loader a second one measures the accuracy on part of the training rows, and says so;
trips rules on overlap.

control: accuracy on the training set
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    hits = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    model.train()
    return hits / len(loader.dataset)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_set, valid_set = TensorDataset(task.x, task.y), TensorDataset(task.x_held_out, task.y_held_out)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
train_accuracy_loader = DataLoader(Subset(train_set, range(200)), batch_size=100)
valid_loader = DataLoader(valid_set, batch_size=100)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(10):
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    on_train, on_valid = accuracy(model, train_accuracy_loader), accuracy(model, valid_loader)
    print(f"epoch {epoch} loss {loss.item():.4f} train {on_train:.3f} valid {on_valid:.3f}")
print(f"score {on_valid:.4f}")
