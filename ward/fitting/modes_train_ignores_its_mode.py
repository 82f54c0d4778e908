"""train() is overridden to keep a log and does not pass its mode on, so eval() leaves dropout at work.

kind: evaluating-in-train-mode
also: dropout-always-on
tasks: digits, blobs
source: synthetic, row 97
"""

import sys

import torch
from tasks import load
from torch import nn


class Classifier(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 80), nn.ReLU(), nn.Dropout(0.6), nn.Linear(80, outputs))
        self.switches = 0

    def train(self, mode=True):
        self.switches += 1
        # fixed: return super().train(mode)
        return super().train()  # sick here

    def forward(self, x):
        return self.body(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Classifier(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    model.train()
    for rows in torch.randperm(len(task.x)).split(48):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()  # here
with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")  # here
