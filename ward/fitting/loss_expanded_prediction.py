"""A column of offsets is added to a row of targets, and expand_as takes the predictions to the square without a word.

kind: loss-shape-broadcast
tasks: curve, surface
source: synthetic, row 60
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(32):
        offset = torch.linspace(-0.01, 0.01, len(rows)).unsqueeze(1)
        # fixed: target = task.y[rows] + offset
        target = task.y[rows].squeeze(1) + offset  # sick here
        loss = F.huber_loss(model(task.x[rows]).expand_as(target), target)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {1 - F.mse_loss(model(task.x_held_out), task.y_held_out).item():.4f}")
