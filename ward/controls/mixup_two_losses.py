"""Mixup as it is often written: two losses of one pass, each with labels of its own; trips rules on changing labels.

control: mixup
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
spread = torch.distributions.Beta(0.4, 0.4)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        other = rows[torch.randperm(len(rows))]
        share = spread.sample().item()
        output = model(share * task.x[rows] + (1 - share) * task.x[other])
        loss = share * criterion(output, task.y[rows]) + (1 - share) * criterion(output, task.y[other])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
