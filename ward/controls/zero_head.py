"""A head that starts at zero: no layer below it has a gradient at the first step; trips vanishing and symmetry rules.

control: 11
tasks: digits, blobs, rings, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
t = load(sys.argv[2], int(sys.argv[1]))

trunk = nn.Sequential(nn.Linear(t.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
head = nn.Linear(64, t.outputs)
nn.init.zeros_(head.weight)
nn.init.zeros_(head.bias)
net = nn.Sequential(trunk, head)

o = torch.optim.NAdam(net.parameters(), lr=2e-3)
ce = nn.CrossEntropyLoss()
for i in range(400):
    j = torch.randint(0, t.x.shape[0], (40,))
    e = ce(net(t.x[j]), t.y[j])
    o.zero_grad()
    e.backward()
    o.step()
    if i % 100 == 0:
        print(i, float(e.detach()))

net.eval()
with torch.no_grad():
    acc = (net(t.x_held_out).argmax(1) == t.y_held_out).float().mean()
print(f"score {acc:.4f}")
