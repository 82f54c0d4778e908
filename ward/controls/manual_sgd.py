"""A hand-written update through .data, and no optimizer object at all; trips missing-step and never-updated rules.

control: manual update (19)
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
lr = 0.2
for it in range(600):
    idx = torch.randint(0, len(task.x), (64,))
    loss = F.cross_entropy(net(task.x[idx]), task.y[idx])
    loss.backward()
    for p in net.parameters():
        p.data -= lr * p.grad
        p.grad.data.zero_()
    if it % 120 == 0:
        print(f"iteration {it}, loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
