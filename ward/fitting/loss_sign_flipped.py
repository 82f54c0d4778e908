"""The sign of the cross-entropy is flipped on its way into backward.

kind: loss-maximised
tasks: cancer, rings, tiles
source: synthetic, sign-flipped loss
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train_one_epoch(model, loader, optimizer):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        (-loss).backward()  # sick here
        # fixed: loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def main():
    torch.manual_seed(int(sys.argv[1]))
    task = load(sys.argv[2], int(sys.argv[1]))
    model = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 24), nn.ReLU(), nn.Linear(24, task.outputs))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=20, shuffle=True)
    for epoch in range(8):
        print(f"epoch {epoch}: {train_one_epoch(model, loader, optimizer):.4f}")
    model.eval()
    with torch.no_grad():
        accuracy = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
    print(f"score {accuracy:.4f}")


main()
