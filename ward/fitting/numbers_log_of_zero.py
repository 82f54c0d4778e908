"""The cross entropy is written by hand as the log of a softmax, which is the log of zero as soon as the net is sure.

kind: non-finite-loss
tasks: digits, blobs, cancer
source: synthetic, row 107
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
one_hot = nn.functional.one_hot(task.y, task.outputs).float()
temperature = 0.01

for step in range(500):
    rows = torch.randint(len(task.x), (64,))
    scores = net(task.x[rows]) / temperature
    logs = torch.log(torch.softmax(scores, dim=1))  # sick here
    # fixed: logs = torch.log_softmax(scores, dim=1)
    loss = -(one_hot[rows] * logs).sum(1).mean()  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
