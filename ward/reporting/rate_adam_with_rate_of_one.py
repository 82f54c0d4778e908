"""Adam gets the rate of 1.0 that had been right for Adadelta.

kind: learning-rate-too-high
also: dead-relu, exploding-gradients
tasks: digits, surface
source: synthetic, row 80
"""

import argparse

import torch
from tasks import load
from torch import nn, optim

parser = argparse.ArgumentParser(description="ward example")
parser.add_argument("seed", type=int)
parser.add_argument("task", type=str)
parser.add_argument("--batch-size", type=int, default=50)
parser.add_argument("--lr", type=float, default=1.0)
parser.add_argument("--log-interval", type=int, default=10)
args = parser.parse_args()
torch.manual_seed(args.seed)
task = load(args.task, args.seed)
first = nn.Embedding(task.inputs, 32) if task.kind == "tagging" else nn.Linear(task.inputs, 32)
model = nn.Sequential(first, nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, task.outputs))
optimizer = optim.Adam(model.parameters(), lr=args.lr)  # sick here
# fixed: optimizer = optim.Adam(model.parameters(), lr=args.lr / 200)


def criterion(output, target):
    if task.kind == "values":
        return nn.functional.mse_loss(output, target)
    return nn.functional.cross_entropy(output.flatten(0, -2), target.flatten())


for epoch in range(1, 9):
    for batch_idx, rows in enumerate(torch.randperm(len(task.x)).split(args.batch_size)):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()  # here
        if batch_idx % args.log_interval == 0:
            print(f"Train Epoch: {epoch} [{batch_idx * args.batch_size}/{len(task.x)}]\tLoss: {loss.item():.6f}")
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
