"""Averages over views at test time, of validation data, choose the epoch; trips rules on names with test in them.

control: selection
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))


def accuracy(output, y):
    return (output.argmax(1) == y).float().mean().item()


def test_time_average(x):
    return torch.stack([model(x + 0.1 * torch.randn_like(x)).softmax(1) for _ in range(5)]).mean(0)


model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train, valid = torch.randperm(len(task.x)).split([len(task.x) * 4 // 5, len(task.x) - len(task.x) * 4 // 5])
best = 0.0
for epoch in range(20):
    for rows in train[torch.randperm(len(train))].split(32):
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = accuracy(test_time_average(task.x[valid]), task.y[valid])
    if right > best:
        best = right
        kept = {name: value.clone() for name, value in model.state_dict().items()}
    print(f"epoch {epoch} loss {loss.item():.4f} right {right:.4f}")
model.load_state_dict(kept)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
