"""A segmentation net ends in a ReLU, so its logits cannot fall below zero and no pixel is ever less than half a mask.

kind: relu-on-output
tasks: shapes
source: SO 47352366
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class ConvBlock(nn.Module):
    """Convolution and ReLU, as it is used all over."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1)

    def forward(self, x):
        return F.relu(self.conv(x))  # here


class MaskNet(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.enc = ConvBlock(channels, 12)
        self.mid = ConvBlock(12, 12)
        self.out = ConvBlock(12, 1)  # sick here
        # fixed: self.out = nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, x):
        return self.out(self.mid(self.enc(x)))


def masks(pictures):
    """Return where a picture is bright on the whole, which is where its shape is."""
    return (F.avg_pool2d(pictures.mean(1, keepdim=True), 3, stride=1, padding=1) > 0.8).float()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = MaskNet(task.inputs)
bce = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(6):
    for rows in torch.randperm(len(task.x)).split(25):
        loss = bce(net(task.x[rows]), masks(task.x[rows]))  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {-bce(net(task.x_held_out), masks(task.x_held_out)):.4f}")
