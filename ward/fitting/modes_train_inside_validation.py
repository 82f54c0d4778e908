"""The validation function calls train() instead of eval(), so dropout and batch norm disturb what it measures.

kind: evaluating-in-train-mode
tasks: digits, blobs, tiles
source: MultiBench#26
gap: none, the validation figures are wrong and the final score is taken in evaluation mode
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
size = task.x[0].numel()
model = nn.Sequential(
    nn.Flatten(), nn.Linear(size, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Dropout(0.5), nn.Linear(96, task.outputs)
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def validate():
    model.train()  # sick here
    # fixed: model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in zip(task.x_held_out.split(50), task.y_held_out.split(50), strict=True):
            correct += (model(x).argmax(1) == y).sum().item()  # here
    return correct / len(task.x_held_out)


for epoch in range(10):
    model.train()
    for rows in torch.randperm(len(task.x)).split(64):
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f} validation accuracy {validate():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
