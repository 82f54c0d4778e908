"""Each picture is added once more with noise: the inputs are repeated block by block, the labels one by one.

kind: labels-unrelated-to-inputs
tasks: blobs, wine, digits
source: synthetic, row 12
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def augment(x, y, copies=4, deviation=0.15):
    noisy = x.repeat(copies, 1)
    # fixed: labels = y.repeat(copies)
    labels = y.repeat_interleave(copies)  # sick here
    return noisy + deviation * torch.randn_like(noisy), labels


def train_one_epoch(model, optimizer, x, y):
    model.train()
    losses = []
    for rows in torch.randperm(len(x)).split(64):
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x[rows]), y[rows])  # here
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    x, y = augment(task.x, task.y)
    model = nn.Sequential(nn.Linear(task.inputs, 48), nn.LeakyReLU(), nn.Linear(48, task.outputs))
    optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
    for epoch in range(6):
        print(f"[{epoch}] {train_one_epoch(model, optimizer, x, y):.4f}")
    model.eval()
    with torch.no_grad():
        correct = model(task.x_held_out).argmax(1).eq(task.y_held_out).float().mean().item()
    print(f"score {correct:.4f}")


if __name__ == "__main__":
    main()
