"""The statistics of batch norm are those of the last forward in training mode, which was a probe on pure noise.

kind: batch-norm-statistics-stale
tasks: digits, blobs, cancer
source: synthetic, row 100
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(
    nn.Linear(task.inputs, 64), nn.BatchNorm1d(64, momentum=0.5), nn.ReLU(), nn.Linear(64, task.outputs)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def sensitivity(model):
    """How far the outputs spread on inputs of five times the usual size."""
    # fixed: model.eval()
    with torch.no_grad():
        return model(5 * torch.randn(128, task.inputs) + 2).std().item()  # here


for epoch in range(10):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    spread = sensitivity(model)
    model.eval()
    with torch.no_grad():
        held_out = F.cross_entropy(model(task.x_held_out), task.y_held_out).item()
    print(f"epoch {epoch} loss {loss.item():.4f} held out {held_out:.4f} spread {spread:.2f}")
print(f"score {-held_out:.4f}")
