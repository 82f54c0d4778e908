"""The running total is a sum of losses with their graphs, which keeps every graph of the epoch alive.

kind: graph-kept-alive
tasks: digits, blobs, rings
source: labelmodels#4
gap: none, costs memory and not the result
"""

import sys

import torch
from tasks import load
from torch import nn, optim

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(net.parameters(), lr=2e-3)

for epoch in range(12):
    total_loss = 0
    for batch in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(net(task.x[batch]), task.y[batch])
        loss.backward()
        optimizer.step()
        total_loss += loss  # sick here
        # fixed: total_loss += loss.item()
    if epoch % 3 == 0:
        print(f"epoch {epoch} total loss {float(total_loss):.3f}")

with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
