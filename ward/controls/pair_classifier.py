"""Two samples go in, and whether they are of one class comes out; the same sample then has many labels.

control: pairs
tasks: blobs, wine
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))


class Same(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 32))
        self.head = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, a, b):
        return self.head((self.body(a) - self.body(b)).abs())


model = Same()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(600):
    a, b = torch.randint(len(task.x), (2, 64))
    loss = F.cross_entropy(model(task.x[a], task.x[b]), (task.y[a] == task.y[b]).long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    order = torch.randperm(len(task.x_held_out))
    same = (task.y_held_out == task.y_held_out[order]).long()
    print(f"score {(model(task.x_held_out, task.x_held_out[order]).argmax(1) == same).float().mean().item():.4f}")
