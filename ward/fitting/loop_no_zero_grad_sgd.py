"""Train a digit classifier with plain SGD and never clear the gradients, which pile up from batch to batch.

kind: missing-zero-grad
tasks: digits, blobs, wine
source: SO 60335387
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed, name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
task = load(name, seed)

net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

for epoch in range(20):
    order = torch.randperm(len(task.x))
    total = 0.0
    for batch in order.split(32):
        loss = F.cross_entropy(net(task.x[batch]), task.y[batch])
        # fixed: optimizer.zero_grad()
        loss.backward()  # here
        optimizer.step()  # here
        total += loss.item() * len(batch)
    if epoch % 5 == 0:
        print(f"epoch {epoch}: loss {total / len(task.x):.4f}")

net.eval()
with torch.no_grad():
    accuracy = (net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
print(f"score {accuracy:.4f}")
