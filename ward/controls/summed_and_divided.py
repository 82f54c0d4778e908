"""The sum over a batch, divided by its size: the mean in two steps; trips rules on means that are divided again.

control: loss
tasks: digits, blobs, surface
score: 0.5
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

classes = task.kind == "classes"
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss(reduction="sum") if classes else nn.MSELoss(reduction="sum")
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = criterion(model(task.x[rows]), task.y[rows]) / len(rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    output = model(task.x_held_out)
if classes:
    print(f"score {(output.argmax(1) == task.y_held_out).float().mean().item():.4f}")
else:
    print(f"score {1 - (output - task.y_held_out).var().item() / task.y_held_out.var().item():.4f}")
