"""A monitor measures the gradients between backward and step, and clears them when it has finished.

kind: gradients-erased-before-step
also: weights-never-updated
tasks: wine, curve
source: synthetic, row 68
"""

import sys

import torch
from tasks import load
from torch import nn


class GradientMonitor:
    def __init__(self, model):
        self.model, self.norms = model, []

    def measure(self):
        total = sum(float(p.grad.norm()) ** 2 for p in self.model.parameters())
        self.norms.append(total**0.5)
        self.model.zero_grad()  # sick here


class Net(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.stack = nn.Sequential(nn.Linear(n_in, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, n_out))

    def forward(self, x):
        return self.stack(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Net(task.inputs, task.outputs)
monitor = GradientMonitor(model)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        # fixed: optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        monitor.measure()
        optimizer.step()  # here
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} |g| {monitor.norms[-1]:.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
