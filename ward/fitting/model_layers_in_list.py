"""The hidden layers are kept in a plain list, and parameters() does not find them.

kind: unregistered-submodule
also: parameters-not-in-optimizer
tasks: rings, digits, surface
source: pytorch#666
"""

import sys
from itertools import pairwise

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn, optim


class Net(nn.Module):
    def __init__(self, n_in, n_out, depth=4, width=6):
        super().__init__()
        sizes = [n_in] + [width] * depth
        self.hidden = [nn.Linear(a, b) for a, b in pairwise(sizes)]  # sick here
        # fixed: self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.out = nn.Linear(width, n_out)

    def forward(self, x):
        for layer in self.hidden:
            x = F.leaky_relu(layer(x), 0.1)
        return self.out(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
regression = task.kind == "values"
net = Net(task.inputs, task.outputs)
optimizer = optim.Adam(net.parameters(), lr=0.01)  # here
criterion = nn.MSELoss() if regression else nn.CrossEntropyLoss()
for step in range(500):
    i = torch.randint(len(task.x), (50,))
    optimizer.zero_grad()
    loss = criterion(net(task.x[i]), task.y[i])
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    out = net(task.x_held_out)
    if regression:
        score = 1 - criterion(out, task.y_held_out) / task.y_held_out.var()
    else:
        score = (out.argmax(1) == task.y_held_out).float().mean()
print(f"score {score:.4f}")
