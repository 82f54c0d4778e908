"""One body and two heads, each asked something else of the same samples; trips rules on changing labels.

control: several tasks
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU())
        self.which = nn.Linear(64, task.outputs)
        self.odd = nn.Linear(64, 2)

    def forward(self, x):
        h = self.body(x)
        return self.which(h), self.odd(h)


model = Both()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        which, odd = model(task.x[rows])
        first = F.cross_entropy(odd, task.y[rows] % 2)
        loss = F.cross_entropy(which, task.y[rows]) + first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out)[0].argmax(1) == task.y_held_out).float().mean().item():.4f}")
