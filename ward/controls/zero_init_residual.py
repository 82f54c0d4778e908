"""Residual branches that start at zero (a zeroed last norm): no gradient inside them at step one; trips symmetry rules.

control: 11
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, width, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.fc2 = nn.Linear(width, width, bias=False)
        self.bn2 = nn.BatchNorm1d(width)
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.bn2(self.fc2(torch.relu(self.bn1(self.fc1(x))))))


def train(model, x, y, epochs=10, size=64):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    model.train()
    for epoch in range(epochs):
        for rows in torch.randperm(len(x)).split(size):
            if len(rows) < size // 2:
                break
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        schedule.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")


if __name__ == "__main__":
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    net = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), Residual(48), Residual(48), nn.Linear(48, task.outputs))
    train(net, task.x, task.y)
    net.eval()
    with torch.no_grad():
        accuracy = (net(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
    print(f"score {accuracy:.4f}")
