"""Plain SGD with a rate of 1e-5: the loss falls, but so slowly that nothing is learned.

kind: learning-rate-too-low
also: underfitting
tasks: digits, blobs, wine
source: synthetic, row 81
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed, name, lr):
    torch.manual_seed(seed)
    task = load(name, seed)
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=16, shuffle=True)
    model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)  # here
    criterion = nn.CrossEntropyLoss()
    for epoch in range(12):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        return (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()


learning_rate = 1e-5  # sick here
# fixed: learning_rate = 1e-1
print(f"score {main(int(sys.argv[1]), sys.argv[2], learning_rate):.4f}")
