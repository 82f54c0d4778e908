"""eval() is overridden to freeze batch norm and forgets to pass on, so dropout goes on while predictions are made.

kind: evaluating-in-train-mode
also: dropout-always-on
tasks: digits, blobs
source: synthetic, row 97
"""

import sys

import torch
from tasks import load
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm = nn.BatchNorm1d(inputs)
        self.layers = nn.Sequential(
            nn.Linear(inputs, 96), nn.ReLU(), nn.Dropout(0.6), nn.Linear(96, 48), nn.ReLU(), nn.Dropout(0.6)
        )
        self.out = nn.Linear(48, outputs)

    def eval(self):
        self.norm.eval()
        # fixed: return super().eval()
        return self  # sick here

    def forward(self, x):
        return self.out(self.layers(self.norm(x)))  # here


def run_epoch(net, optimizer, x, y):
    net.train()
    for rows in torch.randperm(len(x)).split(32):
        if len(rows) == 1:
            continue
        loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def held_out_loss(net, x, y):
    net.eval()
    with torch.no_grad():
        return nn.functional.cross_entropy(net(x), y).item()  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task.inputs, task.outputs)
optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
for epoch in range(10):
    loss = run_epoch(net, optimizer, task.x, task.y)
    print(f"epoch {epoch} loss {loss:.4f} held out {held_out_loss(net, task.x_held_out, task.y_held_out):.4f}")
print(f"score {-held_out_loss(net, task.x_held_out, task.y_held_out):.4f}")
