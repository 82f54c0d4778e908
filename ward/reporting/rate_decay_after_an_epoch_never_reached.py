"""The schedule is stepped only after the epoch in which decay is to begin, and that lies beyond the end of the run.

kind: scheduler-never-stepped
also: learning-rate-too-high
tasks: surface, curve
source: row 84
"""

import sys
from argparse import Namespace

import torch
from tasks import load
from torch import nn

# fixed: args = Namespace(epochs=25, decay_from=12, lr=0.05, momentum=0.95, gamma=0.7, batch=16)
args = Namespace(epochs=25, decay_from=120, lr=0.05, momentum=0.95, gamma=0.7, batch=16)  # sick here

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
torch.set_default_dtype(torch.float32)

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=args.gamma)  # here


def train():
    total = 0.0
    for rows in torch.randperm(len(task.x)).split(args.batch):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / len(task.x)


def test():
    with torch.no_grad():
        return criterion(model(task.x_held_out), task.y_held_out).item()


for epoch in range(args.epochs):
    loss = train()
    if epoch >= args.decay_from:
        scheduler.step()  # here
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss:.4f} test {test():.4f} rate {optimizer.param_groups[0]['lr']:.4f}")
print(f"score {-test():.4f}")
