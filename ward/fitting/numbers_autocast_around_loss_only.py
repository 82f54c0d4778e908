"""The autocast context begins after the forward pass and covers the loss only.

kind: autocast-not-applied
tasks: tiles, shapes
source: synthetic, row 113
gap: none, costs time and not the result
"""

import sys

import torch
from tasks import load
from torch import nn


class Small(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, 16, 3, stride=2), nn.ReLU(), nn.Flatten())
        self.classify = nn.LazyLinear(classes)

    def forward(self, x):
        return self.classify(self.features(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Small(task.inputs, task.outputs)
net(task.x[:2])
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(4):
    for rows in torch.randperm(len(task.x)).split(32):
        opt.zero_grad()
        out = net(task.x[rows])  # sick here
        with torch.autocast("cpu", dtype=torch.bfloat16):  # here
            # fixed: out = net(task.x[rows])
            loss = criterion(out, task.y[rows])
        loss.backward()
        opt.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
