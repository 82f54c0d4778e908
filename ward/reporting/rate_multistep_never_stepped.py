"""The rate is high because a MultiStepLR is to bring it down later, but the loop never steps the scheduler.

kind: scheduler-never-stepped
also: learning-rate-too-high
tasks: surface, curve, topics
source: synthetic, scheduler never stepped
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=16, shuffle=True)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, task.outputs))
loss_function = nn.MSELoss()
optimizer = Adam(net.parameters(), lr=0.04)
scheduler = MultiStepLR(optimizer, milestones=[6, 9], gamma=0.1)  # here

for epoch in range(12):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_function(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    # fixed: scheduler.step()
    print(f"epoch {epoch} loss {total / len(loader):.4f}")

with torch.no_grad():
    print(f"score {-loss_function(net(task.x_held_out), task.y_held_out).item():.4f}")
