"""The noise that is to keep a large net from learning eighty rows by heart has a strength of zero, by default.

kind: overfitting
tasks: blobs, cancer
source: synthetic, row 90
"""

import sys

import torch
from tasks import load
from torch import nn


class Noise(nn.Module):
    def __init__(self, strength=0.0):
        super().__init__()
        self.strength = strength

    def forward(self, x):
        return x + self.strength * torch.randn_like(x) if self.training else x


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = task.x[:80], task.y[:80]
x_val, y_val = task.x[80:400], task.y[80:400]
model = nn.Sequential(
    # fixed: Noise(0.8),
    Noise(),  # sick here
    nn.Linear(task.inputs, 256),
    nn.ReLU(),
    nn.Linear(256, 256),
    nn.ReLU(),
    nn.Linear(256, task.outputs),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(100):
    model.train()
    for rows in torch.randperm(len(x)).split(20):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        model.eval()
        with torch.no_grad():
            validation = nn.functional.cross_entropy(model(x_val), y_val).item()  # here
        print(f"epoch {epoch} loss {loss.item():.4f} validation {validation:.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
