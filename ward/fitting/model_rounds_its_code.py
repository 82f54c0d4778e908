"""The code in the middle is rounded to whole numbers, which has a gradient of zero: the encoder learns nothing.

kind: parameters-without-gradient
also: weights-never-updated, vanishing-gradients
tasks: rings, digits
source: synthetic, row 31
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Quantised(nn.Module):
    """An encoder, a code of a few levels, and a classifier that reads the code."""

    def __init__(self, inputs, outputs, code=4, levels=5):
        super().__init__()
        self.levels = levels
        self.encoder = nn.Sequential(nn.Linear(inputs, 48), nn.ReLU(), nn.Linear(48, code), nn.Tanh())
        self.classifier = nn.Sequential(nn.Linear(code, 48), nn.ReLU(), nn.Linear(48, outputs))

    def quantise(self, z):
        rounded = torch.round(z * self.levels) / self.levels  # here
        # fixed: return z + (rounded - z).detach()
        return rounded  # sick here

    def forward(self, x):
        return self.classifier(self.quantise(self.encoder(x)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Quantised(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()  # here
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    held_out = F.cross_entropy(model(task.x_held_out), task.y_held_out)
print(f"score {-held_out.item():.4f}")
