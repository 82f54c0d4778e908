"""The last layer ends in a ReLU, but half of the targets are negative.

kind: relu-on-output
tasks: curve, surface, diabetes
source: SO 48251943
"""

import sys
from itertools import pairwise

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed, name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
task = load(name, seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=25, shuffle=True)

sizes = [task.inputs, 50, 50, 1]
layers = []
for inputs, outputs in pairwise(sizes):
    layers += [nn.Linear(inputs, outputs), nn.ReLU()]
# fixed: layers.pop()
net = nn.Sequential(*layers)  # here

optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
criterion = nn.MSELoss()
for epoch in range(20):
    mean_loss = 0
    for x, y in loader:
        loss = criterion(net(x), y)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean_loss += loss.item() / len(loader)
    if epoch % 5 == 0:
        print(f"Epoch {epoch}: {mean_loss:.4f}")

net.eval()
with torch.no_grad():
    rest = criterion(net(task.x_held_out), task.y_held_out) / task.y_held_out.var()
print(f"score {1 - rest.item():.4f}")
