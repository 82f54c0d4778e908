"""The log-likelihood is handed to the optimizer without its minus sign.

kind: loss-maximised
tasks: digits, blobs, wine
source: row 62
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs), nn.LogSoftmax(dim=1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)


def log_likelihood(x, y):
    return net(x).gather(1, y[:, None]).mean()


for i in range(400):
    chosen = torch.randint(len(task.y), (32,))
    loss = log_likelihood(task.x[chosen], task.y[chosen])  # sick here
    # fixed: loss = -log_likelihood(task.x[chosen], task.y[chosen])
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
    if i % 100 == 0:
        print(f"iteration {i}: loss {loss.item():.3f}")

with torch.no_grad():
    hits = net(task.x_held_out).argmax(1).eq(task.y_held_out)
print(f"score {hits.float().mean():.4f}")
