"""All weights have deviation 0.01, and the signal shrinks tenfold at every layer.

kind: activations-change-scale-with-depth
also: vanishing-gradients, outputs-ignore-input, symmetric-initialisation
tasks: digits, blobs, cancer
source: SO 46995209
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class DeepNet(nn.Module):
    def __init__(self, inputs, outputs, depth=7, width=48):
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.middle = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, outputs)

    def forward(self, x):
        x = torch.tanh(self.first(x))
        for layer in self.middle:
            x = torch.tanh(layer(x))  # here
        return self.last(x)


def initialise(net):
    for name, p in net.named_parameters():
        if name.endswith("weight"):
            nn.init.normal_(p, std=0.01)  # sick here
            # fixed: nn.init.xavier_normal_(p)
        else:
            nn.init.zeros_(p)


seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
net = DeepNet(data.inputs, data.outputs)
initialise(net)  # here
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(300):
    batch = torch.randperm(len(data.x))[:32]
    loss = F.cross_entropy(net(data.x[batch]), data.y[batch])
    net.zero_grad()
    loss.backward()
    opt.step()
    if i % 60 == 0:
        print(f"it {i} loss {loss:.4f}")
net.eval()
with torch.no_grad():
    print(f"score {(net(data.x_held_out).argmax(1) == data.y_held_out).float().mean():.4f}")
