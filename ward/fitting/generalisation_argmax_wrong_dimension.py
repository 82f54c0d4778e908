"""The accuracy takes the argmax over the batch instead of the classes: it stays at nothing while the loss falls.

kind: metric-contradicts-loss
tasks: digits, blobs, cancer
source: train-CLIP#6
gap: none, only the reported accuracy is wrong
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
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def accuracy(logits, labels):
    classes = logits.argmax()  # sick here
    # fixed: classes = logits.argmax(dim=1)
    return (classes == labels).float().mean().item()  # here


for epoch in range(12):
    for batch in torch.randperm(len(task.x)).split(64):
        logits = model(task.x[batch])
        loss = F.cross_entropy(logits, task.y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        held_out = model(task.x_held_out)
        val_loss = F.cross_entropy(held_out, task.y_held_out).item()
    print(f"epoch {epoch} loss {val_loss:.4f} accuracy {accuracy(held_out, task.y_held_out):.4f}")

with torch.no_grad():
    print(f"score {-F.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
