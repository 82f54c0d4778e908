"""The dropouts lie in a plain list, where eval() does not find them.

kind: dropout-always-on
tasks: digits, wine
source: synthetic, row 98
"""

import sys

import torch
from tasks import load
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inputs, 64), nn.Linear(64, 64)])
        self.drops = [nn.Dropout(0.5), nn.Dropout(0.5)]  # sick here
        # fixed: self.drops = nn.ModuleList([nn.Dropout(0.5), nn.Dropout(0.5)])
        self.out = nn.Linear(64, outputs)

    def forward(self, x):
        for layer, drop in zip(self.layers, self.drops, strict=True):
            x = drop(torch.relu(layer(x)))  # here
        return self.out(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(400):
    rows = torch.randint(len(task.x), (40,))
    loss = nn.functional.cross_entropy(net(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(net(task.x_held_out), task.y_held_out).item():.4f}")
