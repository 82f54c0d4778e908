"""The optimizer was taken from a policy gradient project, with maximize=True, and climbs the loss.

kind: loss-maximised
tasks: wine, digits, topics
source: synthetic, row 62
"""

import sys
from functools import partial

import torch
from tasks import load
from torch import nn

# fixed: make_optimizer = partial(torch.optim.Adam, lr=1e-3)
make_optimizer = partial(torch.optim.Adam, lr=1e-3, maximize=True)  # sick here


class Net(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.norm = nn.LayerNorm(n_in)
        self.hidden = nn.Linear(n_in, 64)
        self.out = nn.Linear(64, n_out)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(self.norm(x))))


def run(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    several = task.kind == "several"
    criterion = nn.BCEWithLogitsLoss() if several else nn.CrossEntropyLoss()
    net = Net(task.inputs, task.outputs)
    optimizer = make_optimizer(net.parameters())
    for epoch in range(12):
        for rows in torch.randperm(len(task.x)).split(16):
            loss = criterion(net(task.x[rows]), task.y[rows])
            optimizer.zero_grad()
            loss.backward()  # here
            optimizer.step()  # here
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        logits = net(task.x_held_out)
    if several:
        return ((logits > 0).float() == task.y_held_out).float().mean().item()
    return (logits.argmax(1) == task.y_held_out).float().mean().item()


print(f"score {run(int(sys.argv[1]), sys.argv[2]):.4f}")
