"""Batches are standardised by hand; the last one has a single row, whose deviation is NaN.

kind: non-finite-loss
also: non-finite-input
tasks: curve, surface
source: synthetic, row 107
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class BatchStandardise(nn.Module):
    def forward(self, h):
        if not self.training:
            return (h - self.mean) / self.std
        mean, std = h.mean(0), h.std(0) + 1e-5  # here
        with torch.no_grad():
            self.mean = 0.9 * getattr(self, "mean", mean) + 0.1 * mean
            self.std = 0.9 * getattr(self, "std", std) + 0.1 * std
        return (h - mean) / std  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
rows = len(task.x) // 32 * 32 - 31
net = nn.Sequential(nn.Linear(task.inputs, 48), BatchStandardise(), nn.Tanh(), nn.Linear(48, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
criterion = nn.MSELoss()
dataset = TensorDataset(task.x[:rows], task.y[:rows])
loader = DataLoader(dataset, batch_size=32, shuffle=True)  # sick here
# fixed: loader = DataLoader(dataset, batch_size=32, shuffle=True, drop_last=True)
for epoch in range(12):
    net.train()
    running = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        optimizer.step()
        running += loss.item()
    print(f"epoch {epoch}: {running / len(loader):.4f}")

net.eval()
with torch.no_grad():
    error = criterion(net(task.x_held_out), task.y_held_out)
print(f"score {-error.nan_to_num(nan=99.0).item():.4f}")
