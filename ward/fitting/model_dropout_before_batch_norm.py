"""Dropout stands in front of batch norm, whose running variance is then that of thinned activations.

kind: dropout-before-batch-norm
tasks: digits, blobs, wine
source: row 38
gap: none, the shift of variance costs little in so small a network
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def layer(inputs, outputs):
    order = [nn.Dropout(0.4), nn.BatchNorm1d(outputs)]  # sick here
    # fixed: order = [nn.BatchNorm1d(outputs), nn.Dropout(0.4)]
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), *order)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(layer(task.inputs, 64), layer(64, 64), nn.Linear(64, task.outputs))  # here
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True, drop_last=True)
for epoch in range(6):
    net.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
