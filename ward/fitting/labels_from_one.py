"""The classes are numbered from 1, and the network got one output more so that they fit.

kind: labels-out-of-range
tasks: cancer, rings, wine
source: SO 59282996
gap: none, the output that is never right only wastes a unit
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
label, label_held_out = task.y + 1, task.y_held_out + 1
outputs = task.outputs + 1  # sick here
# fixed: outputs, label, label_held_out = task.outputs, label - 1, label_held_out - 1

net = nn.Sequential(nn.Linear(task.inputs, 20), nn.ReLU(), nn.Linear(20, outputs))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    for x, y in DataLoader(TensorDataset(task.x, label), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == label_held_out).float().mean():.4f}")
