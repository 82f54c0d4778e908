"""StepLR with step_size=1 divides the rate by ten after each epoch; after three of them nothing moves any more.

kind: learning-rate-too-low
also: scheduler-wrong-frequency, underfitting, plateau
tasks: digits, surface
source: synthetic, row 82
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


def train(model, loader, criterion, optimizer, epoch):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()  # here
    print(f"epoch {epoch} rate {optimizer.param_groups[0]['lr']:.1e} loss {loss.item():.4f}")


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)
    model = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, task.outputs))
    criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.1)  # sick here
    # fixed: scheduler = StepLR(optimizer, step_size=10, gamma=0.1)
    for epoch in range(1, 16):
        train(model, loader, criterion, optimizer, epoch)
        scheduler.step()  # here
    with torch.no_grad():
        print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")


if __name__ == "__main__":
    main()
