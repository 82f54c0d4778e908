"""Losses are summed over the batch, and the rate is small enough for it: a first loss above a hundred is quite right;
trips rules on the loss at the start and on rates that are too low.

control: reduction="sum" with the rate that belongs to it
tasks: digits, topics
score: 0.75
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    several = task.kind == "several"
    criterion = nn.BCEWithLogitsLoss(reduction="sum") if several else nn.CrossEntropyLoss(reduction="sum")
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)
    model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    for epoch in range(12):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 0:
            print(f"epoch {epoch} loss per row {total / len(task.x):.4f}")
    model.eval()
    with torch.no_grad():
        logits = model(task.x_held_out)
    right = (logits > 0).float() == task.y_held_out if several else logits.argmax(1) == task.y_held_out
    print(f"score {right.float().mean():.4f}")


main()
