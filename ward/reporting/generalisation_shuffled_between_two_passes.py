"""Predictions and labels come from two passes over a loader that shuffles: the accuracy compares strangers.

kind: metric-contradicts-loss
tasks: digits, blobs
source: synthetic, row 130
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
cut = len(task.x) * 4 // 5
train_loader = DataLoader(TensorDataset(task.x[:cut], task.y[:cut]), batch_size=32, shuffle=True)
valid_loader = DataLoader(TensorDataset(task.x[cut:], task.y[cut:]), batch_size=32, shuffle=True)  # sick here
# fixed: valid_loader = DataLoader(TensorDataset(task.x[cut:], task.y[cut:]), batch_size=32)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
ce = nn.CrossEntropyLoss()
optimizer = optim.Adam(net.parameters(), lr=2e-3)


def predict(loader):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(x).argmax(dim=1) for x, _ in loader])  # here


for epoch in range(12):
    net.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = ce(net(x), y)
        loss.backward()
        optimizer.step()
    predictions = predict(valid_loader)
    labels = torch.cat([y for _, y in valid_loader])
    accuracy = (predictions == labels).float().mean()  # here
    with torch.no_grad():
        valid_loss = ce(net(task.x[cut:]), task.y[cut:])
    print(f"epoch {epoch} loss {loss.item():.4f} valid loss {valid_loss.item():.4f} acc {accuracy.item():.3f}")
print(f"score {accuracy.item():.4f}")
