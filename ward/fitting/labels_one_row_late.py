"""A header was taken for a row, so that every label belongs to the sample before it.

kind: labels-unrelated-to-inputs
tasks: digits, shapes, rings
source: row 12
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
features = task.x.flatten(1)[:-1]
labels = task.y[1:]  # sick here
# fixed: labels = task.y[:-1]
n = len(labels) * 4 // 5

net = nn.Sequential(nn.Linear(features.shape[1], 100), nn.GELU(), nn.Linear(100, task.outputs))
opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
for step in range(501):
    i = torch.randint(n, (40,))
    loss = F.cross_entropy(net(features[i]), labels[i])  # here
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 0:
        net.eval()
        with torch.no_grad():
            validation = F.cross_entropy(net(features[n:]), labels[n:])  # here
        net.train()
        print(f"{step} {loss.item():.3f} {validation.item():.3f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out.flatten(1)).argmax(1) == task.y_held_out).float().mean():.4f}")
