"""Skewed columns are shifted to begin at zero and their logarithm is taken, which is minus infinity there.

kind: non-finite-input
also: non-finite-loss
tasks: wine, cancer
source: synthetic, row 2
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Measurements(Dataset):
    """A table whose columns are skewed to the right."""

    def __init__(self, x, y, lowest):
        shifted = (x - lowest).clamp(min=0)
        self.x = torch.log(shifted)  # sick here
        # fixed: self.x = torch.log1p(shifted)
        self.y = y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    lowest = task.x.min(dim=0).values
    train_set = Measurements(task.x, task.y, lowest)
    test_set = Measurements(task.x_held_out, task.y_held_out, lowest)
    model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(15):
        for inputs, labels in DataLoader(train_set, batch_size=16, shuffle=True):
            loss = nn.functional.cross_entropy(model(inputs), labels)  # here
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.3f}")
    with torch.no_grad():
        right = [(model(x).argmax(1) == y).float().sum().item() for x, y in DataLoader(test_set, batch_size=64)]
    print(f"score {sum(right) / len(test_set):.4f}")


if __name__ == "__main__":
    main()
