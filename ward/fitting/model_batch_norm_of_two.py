"""Batch normalisation is computed over two samples at a time.

kind: batch-norm-tiny-batch
tasks: digits, blobs, rings
source: pytorch#4741
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


def block(a, b):
    return nn.Sequential(
        nn.Linear(a, b),
        nn.BatchNorm1d(b),  # sick here
        # fixed: nn.LayerNorm(b),
        nn.ReLU(),
    )


model = nn.Sequential(block(task.inputs, 32), block(32, 32), block(32, 32), nn.Linear(32, task.outputs))
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=2, shuffle=True, drop_last=True)  # here
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()
model.train()
steps = 0
while steps < 600:
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
        steps += 1
        if steps % 200 == 0:
            print(f"step {steps} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
