"""ReduceLROnPlateau watches a loss in mode "max": each better loss counts as a bad epoch and costs half of the rate.

kind: learning-rate-too-low
also: scheduler-wrong-frequency, plateau
tasks: digits, shapes
source: synthetic, row 82
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau


class Net(nn.Module):
    def __init__(self, pixels, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x):
        return self.layers(x)


def run_epoch(net, criterion, x, y, optimizer=None):
    net.train(optimizer is not None)
    total = 0.0
    with torch.set_grad_enabled(optimizer is not None):
        for rows in torch.randperm(len(x)).split(40):
            loss = criterion(net(x[rows]), y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * len(rows)
    return total / len(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
cut = len(task.x) * 4 // 5
net = Net(task.x[0].numel(), task.outputs)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.04)
# fixed: scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.3, patience=0)
scheduler = ReduceLROnPlateau(optimizer, mode="max", factor=0.3, patience=0)  # sick here
for epoch in range(16):
    loss = run_epoch(net, criterion, task.x[:cut], task.y[:cut], optimizer)  # here
    validation = run_epoch(net, criterion, task.x[cut:], task.y[cut:])
    scheduler.step(validation)  # here
    print(f"epoch {epoch} loss {loss:.4f} validation {validation:.4f} rate {optimizer.param_groups[0]['lr']:.2e}")

print(f"score {-run_epoch(net, criterion, task.x_held_out, task.y_held_out):.4f}")
