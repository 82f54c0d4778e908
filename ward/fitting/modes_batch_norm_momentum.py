"""The momentum of batch norm follows the convention of another framework: 0.001 keeps the initial statistics for ever.

kind: batch-norm-statistics-stale
tasks: digits, wine, tiles
source: synthetic, row 100
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
bn_momentum = 0.001  # sick here
# fixed: bn_momentum = 0.1


class Mlp(nn.Module):
    def __init__(self, inputs, outputs, width=48):
        super().__init__()
        self.a = nn.Linear(inputs, width)
        self.bn_a = nn.BatchNorm1d(width, momentum=bn_momentum)  # here
        self.b = nn.Linear(width, width)
        self.bn_b = nn.BatchNorm1d(width, momentum=bn_momentum)  # here
        self.c = nn.Linear(width, outputs)

    def forward(self, x):
        x = torch.relu(self.bn_a(self.a(x.flatten(1))))
        return self.c(torch.relu(self.bn_b(self.b(x))))


net = Mlp(task.x[0].numel(), task.outputs)
criterion = nn.CrossEntropyLoss()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(8):
    net.train()
    for rows in torch.randperm(len(task.x)).split(43):
        if len(rows) > 1:
            opt.zero_grad()
            loss = criterion(net(task.x[rows]), task.y[rows])
            loss.backward()
            opt.step()
    net.eval()
    with torch.no_grad():
        held_out = criterion(net(task.x_held_out), task.y_held_out).item()
    print(f"epoch {epoch} loss {loss.item():.4f} held out {held_out:.4f}")
print(f"score {-held_out:.4f}")
