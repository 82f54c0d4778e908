"""The dataset scales its readings where it is told that they are for training, and leaves the others raw.

kind: validation-preprocessed-differently
also: inputs-not-normalised
tasks: wine, cancer, surface
source: JeasunLok/ResNet#1
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Readings(Dataset):
    def __init__(self, x, y, statistics, split):
        mean, std = statistics
        # fixed: if split in ("train", "valid"):
        if split == "train":  # sick here
            x = (x - mean) / std
        self.rows = list(zip(x, y, strict=True))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


def run_epoch(model, loader, criterion, optimizer=None):
    total = 0.0
    for x, y in loader:
        output = model(x)  # here
        loss = criterion(output, y)
        total += loss.item() * len(x)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return total / len(loader.dataset)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
volts = torch.linspace(2.0, 9.0, task.inputs)
raw, raw_valid = task.x * volts + 3 * volts, task.x_held_out * volts + 3 * volts
statistics = raw.mean(0), raw.std(0)
train = DataLoader(Readings(raw, task.y, statistics, "train"), batch_size=24, shuffle=True)
valid = DataLoader(Readings(raw_valid, task.y_held_out, statistics, "valid"), batch_size=64)  # here

model = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, 24), nn.Tanh(), nn.Linear(24, task.outputs))
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(12):
    train_loss = run_epoch(model, train, criterion, optimizer)
    with torch.no_grad():
        valid_loss = run_epoch(model, valid, criterion)  # here
    print(f"{epoch:3d} train {train_loss:.4f} valid {valid_loss:.4f}")
print(f"score {-valid_loss:.4f}")
