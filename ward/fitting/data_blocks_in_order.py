"""Hand-cut batches run through the table from top to bottom, and the table is sorted by its label.

kind: data-not-shuffled
tasks: digits, rings, blobs
source: row 8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load


def batches(x, y, size):
    n = len(x)
    order = torch.arange(n)  # sick here
    # fixed: order = torch.randperm(n)
    for start in range(0, n, size):
        rows = order[start : start + size]
        yield x[rows], y[rows]


seed = int(sys.argv[1])
torch.manual_seed(seed)
d = load(sys.argv[2], seed)
y_sorted, index = d.y.sort(stable=True)
x_sorted = d.x[index]

w1 = torch.nn.Parameter(torch.randn(d.inputs, 24) / d.inputs**0.5)
b1 = torch.nn.Parameter(torch.zeros(24))
w2 = torch.nn.Parameter(torch.randn(24, d.outputs) / 5)
b2 = torch.nn.Parameter(torch.zeros(d.outputs))
opt = torch.optim.SGD([w1, b1, w2, b2], lr=0.5)


def logits(x):
    return torch.tanh(x @ w1 + b1) @ w2 + b2


for epoch in range(12):
    losses = []
    for xb, yb in batches(x_sorted, y_sorted, 20):  # here
        loss = F.cross_entropy(logits(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    if epoch % 4 == 0:
        print(f"{epoch:3d} {sum(losses) / len(losses):.4f}")

with torch.no_grad():
    accuracy = (logits(d.x_held_out).argmax(1) == d.y_held_out).float().mean()
print(f"score {accuracy.item():.4f}")
