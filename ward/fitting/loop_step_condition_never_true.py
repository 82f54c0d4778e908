"""Gradients are accumulated over more batches than an epoch has, and the counter starts anew each epoch: no step, ever.

kind: missing-optimizer-step
also: weights-never-updated
tasks: blobs, rings, digits
source: synthetic, row 69
"""

import sys

import torch
import torch.nn as nn
from tasks import load


def batches(x, y, size, generator):
    order = torch.randperm(len(x), generator=generator)
    for start in range(0, len(x) - size + 1, size):
        yield x[order[start : start + size]], y[order[start : start + size]]


def run(seed, name):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    data = load(name, seed)
    model = nn.Sequential(nn.Linear(data.inputs, 64), nn.ReLU(), nn.Linear(64, data.outputs))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    accumulate = 64  # sick here
    # fixed: accumulate = 4
    for epoch in range(40):
        optimizer.zero_grad()
        for i, (x, y) in enumerate(batches(data.x, data.y, 32, generator)):
            loss = criterion(model(x), y)
            (loss / accumulate).backward()  # here
            if (i + 1) % accumulate == 0:  # here
                optimizer.step()  # here
                optimizer.zero_grad()
        if epoch % 10 == 0:
            print(f"epoch {epoch}, loss {loss.item():.4f}")
    with torch.no_grad():
        return (model(data.x_held_out).argmax(1) == data.y_held_out).double().mean().item()


if __name__ == "__main__":
    print(f"score {run(int(sys.argv[1]), sys.argv[2]):.4f}")
