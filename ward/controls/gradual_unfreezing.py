"""Layers thaw one by one and join the optimizer by add_param_group; trips frozen and not-in-optimizer rules.

control: 7
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.stages = nn.ModuleList([nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)])

    def forward(self, x):
        for stage in self.stages[:-1]:
            x = torch.relu(stage(x))
        return self.stages[-1](x)


def epochs_of(net, optimizer, x, y, n):
    for _ in range(n):
        for rows in torch.randperm(len(x)).split(48):
            loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
half = len(task.x) // 2
net = Net(task.inputs, task.outputs)
pretrain = torch.optim.Adam(net.parameters(), lr=2e-3)
print(f"pretrained: {epochs_of(net, pretrain, task.x[:half], task.y[:half], 6):.4f}")

net.requires_grad_(False)
net.stages[2].requires_grad_(True)
optimizer = torch.optim.Adam(net.stages[2].parameters(), lr=2e-3)
for thaw in (None, 1, 0):
    if thaw is not None:
        net.stages[thaw].requires_grad_(True)
        optimizer.add_param_group({"params": net.stages[thaw].parameters(), "lr": 1e-3})
    loss = epochs_of(net, optimizer, task.x[half:], task.y[half:], 4)
    print(f"thawed {thaw}: {loss:.4f}")
net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
