"""Each batch is scaled by its own deviation, and the last batch of an epoch is a single row, which has none.

kind: non-finite-loss
tasks: wine, diabetes
source: synthetic, row 107
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class BatchScale(nn.Module):
    """Batch norm without its statistics."""

    def forward(self, x):
        # fixed: deviation = x.std(dim=0, unbiased=False)
        deviation = x.std(dim=0)  # sick here
        return (x - x.mean(dim=0)) / (deviation + 1e-5)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
values = task.kind == "values"
rows = len(task.x) // 12 * 12 + 1 if len(task.x) % 12 else len(task.x) - 11
loader = DataLoader(TensorDataset(task.x[:rows], task.y[:rows]), batch_size=12, shuffle=True)
model = nn.Sequential(nn.Linear(task.inputs, 32), BatchScale(), nn.ReLU(), nn.Linear(32, task.outputs))
criterion = nn.MSELoss() if values else nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
