"""Early stopping compares the wrong way round: it counts the epochs that got better and stops after three of them.

kind: underfitting
also: learning-rate-too-low
tasks: shapes, digits
source: synthetic, row 91
"""

import sys

import torch
from tasks import load
from torch import nn


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.best, self.waited = patience, float("inf"), 0

    def should_stop(self, loss):
        # fixed: if loss >= self.best:
        if loss < self.best:  # sick here
            self.waited += 1
        self.best = min(self.best, loss)
        return self.waited >= self.patience


def loss_of(model, x, y):
    model.eval()
    with torch.no_grad():
        return nn.functional.cross_entropy(model(x), y).item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_held_out = task.x.flatten(1), task.x_held_out.flatten(1)
cut = len(x) * 3 // 4
model = nn.Sequential(nn.Linear(x.shape[1], 48), nn.ReLU(), nn.Linear(48, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
stopper = EarlyStopping(patience=3)
for epoch in range(40):  # here
    model.train()
    for rows in torch.randperm(cut).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    validation = loss_of(model, x[cut:], task.y[cut:])
    print(f"epoch {epoch} loss {loss.item():.4f} validation {validation:.4f}")
    if stopper.should_stop(validation):
        print("stopped early")
        break  # here
print(f"score {-loss_of(model, x_held_out, task.y_held_out):.4f}")
