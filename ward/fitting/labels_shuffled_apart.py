"""Inputs and labels are shuffled by two different permutations.

kind: labels-unrelated-to-inputs
tasks: digits, blobs, cancer
source: row 23
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
order = torch.randperm(len(task.x))
x = task.x[order]
y = task.y[torch.randperm(len(task.y))]  # sick here
# fixed: y = task.y[order]
fifth = len(x) // 5
train_loader = DataLoader(TensorDataset(x[fifth:], y[fifth:]), batch_size=32, shuffle=True)
valid_x, valid_y = x[:fifth], y[:fifth]

model = nn.Sequential(nn.Linear(task.inputs, 128), nn.ReLU(), nn.Linear(128, task.outputs))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(14):
    model.train()
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)  # here
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        valid_loss = criterion(model(valid_x), valid_y)  # here
    if epoch % 2 == 0:
        print(f"epoch {epoch} training {loss.item():.3f} validation {valid_loss.item():.3f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
