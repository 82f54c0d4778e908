"""Each epoch puts the inputs into a new order and the labels into another one.

kind: labels-unrelated-to-inputs
tasks: digits, wine, blobs
source: row 12
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(12):
    order = torch.randperm(len(task.x))
    x = task.x[order]
    # fixed: y = task.y[order]
    y = task.y[torch.randperm(len(task.y))]  # sick here
    for start in range(0, len(x), 32):
        loss = F.cross_entropy(model(x[start : start + 32]), y[start : start + 32])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
