"""The scheduler is stepped at the head of each epoch, before any step: the first and highest rate is never used.

kind: scheduler-before-optimizer
also: scheduler-wrong-frequency
tasks: digits, blobs
source: row 85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader, TensorDataset


def train(model, loader, optimizer, scheduler, num_epochs=3):
    for epoch in range(num_epochs):
        scheduler.step()  # sick here
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
        # fixed: scheduler.step()
        print(f"Epoch {epoch}/{num_epochs - 1} loss {loss.item():.4f} lr {scheduler.get_last_lr()[0]:.5f}")


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    train(model, loader, optimizer, MultiStepLR(optimizer, milestones=[1, 2], gamma=0.1))
    model.eval()
    with torch.no_grad():
        print(f"score {-nn.functional.cross_entropy(model(task.x_held_out), task.y_held_out):.4f}")


if __name__ == "__main__":
    main()
