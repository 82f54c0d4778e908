"""A column that never changes is divided by its deviation of zero, and the table is full of NaN from then on.

kind: non-finite-input
also: non-finite-loss
tasks: diabetes, blobs
source: synthetic, row 2
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def add_site_id(x):
    """All rows were measured at site 7."""
    return torch.cat([x, torch.full((len(x), 1), 7.0)], dim=1)


def standardise(x, mean, std):
    return (x - mean) / std  # sick
    # fixed: return (x - mean) / (std + 1e-6)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x_train, x_test = add_site_id(task.x), add_site_id(task.x_held_out)
mean, std = x_train.mean(dim=0), x_train.std(dim=0)
train_loader = DataLoader(TensorDataset(standardise(x_train, mean, std), task.y), batch_size=20, shuffle=True)

model = nn.Sequential(nn.Linear(task.inputs + 1, 40), nn.ReLU(), nn.Linear(40, task.outputs))
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    for x, y in train_loader:  # here
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    held_out = criterion(model(standardise(x_test, mean, std)), task.y_held_out)
print(f"score {-held_out.nan_to_num(nan=99.0).item():.4f}")
