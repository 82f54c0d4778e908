"""A tower of layers is an ordinary class, so the network that holds two of them knows no weights of theirs.

kind: unregistered-submodule
also: parameters-not-in-optimizer
tasks: rings, blobs, surface
source: row 29
"""

import sys

import torch
from tasks import load
from torch import nn


# fixed: class Tower(nn.Module):
class Tower:  # sick here
    def __init__(self, inputs, width):
        # fixed: super().__init__()
        self.lower = nn.Linear(inputs, width)
        self.upper = nn.Linear(width, 3)

    def __call__(self, x):
        return torch.tanh(self.upper(torch.tanh(self.lower(x))))


class TwoTowers(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.left = Tower(inputs, 24)  # here
        self.right = Tower(inputs, 24)  # here
        self.head = nn.Linear(3, outputs)

    def forward(self, x):
        return self.head(self.left(x) * self.right(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = TwoTowers(task.inputs, task.outputs)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)  # here
print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(40):
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
