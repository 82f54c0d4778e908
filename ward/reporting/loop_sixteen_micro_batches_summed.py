"""Gradients of sixteen micro-batches are added up for one step and not divided, at a rate that was set for their mean.

kind: accumulation-not-averaged
also: learning-rate-too-high
tasks: curve, surface, digits
source: row 116
"""

import argparse

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int)
parser.add_argument("task")
parser.add_argument("--accumulate", type=int, default=16)
parser.add_argument("--batch-size", type=int, default=4)
parser.add_argument("--lr", type=float, default=0.15)
args = parser.parse_args()

torch.manual_seed(args.seed)
task = load(args.task, args.seed)
train_loader = DataLoader(TensorDataset(task.x, task.y), args.batch_size, shuffle=True, drop_last=True)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, task.outputs))
loss_fn = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.8)

for epoch in range(14):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(train_loader, 1):
        loss = loss_fn(net(x), y)  # here
        loss.backward()  # sick here
        # fixed: (loss / args.accumulate).backward()
        if i % args.accumulate == 0 or i == len(train_loader):
            optimizer.step()  # here
            optimizer.zero_grad()
    print(f"epoch {epoch} last loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-loss_fn(net(task.x_held_out), task.y_held_out):.4f}")
