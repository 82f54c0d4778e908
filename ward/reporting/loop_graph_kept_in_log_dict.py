"""The log keeps the loss of each step as a tensor, and with it the graph that made it.

kind: graph-kept-alive
tasks: surface, wine, tiles
source: synthetic, row 115
gap: none, costs memory and not the result
"""

import sys
from collections import defaultdict

import torch
from tasks import load
from torch import nn


class Logger:
    def __init__(self):
        self.values = defaultdict(list)

    def log(self, **values):
        for name, value in values.items():
            self.values[name].append(value)  # here

    def mean(self, name):
        return float(sum(self.values[name]) / len(self.values[name]))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
features = task.x[0].numel()
model = nn.Sequential(nn.Flatten(), nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
logger = Logger()
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        logger.log(loss=loss)  # sick here
        # fixed: logger.log(loss=loss.item())
    print(f"epoch {epoch}: mean loss so far {logger.mean('loss'):.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
