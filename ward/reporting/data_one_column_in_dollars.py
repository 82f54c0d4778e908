"""One column of the table is an income in dollars, among others of order one.

kind: inputs-not-normalised
also: dead-relu
tasks: cancer, surface
source: SO 39525358
"""

import sys

import torch
from tasks import load
from torch import nn


def to_table(x):
    table = x.clone()
    table[:, 0] = 52_000 + 15_000 * x[:, 0]
    return table


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    train_x, test_x = to_table(task.x), to_table(task.x_held_out)
    # fixed: mean, std = train_x.mean(0), train_x.std(0)
    # fixed: train_x, test_x = (train_x - mean) / std, (test_x - mean) / std
    model = nn.Sequential(
        nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, task.outputs)
    )
    criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # here
    for epoch in range(30):
        running = 0.0
        for idx in torch.randperm(len(train_x)).split(32):
            optimizer.zero_grad()
            loss = criterion(model(train_x[idx]), task.y[idx])  # here
            loss.backward()
            optimizer.step()
            running += loss.item() * len(idx)
        if epoch % 5 == 0:
            print(f"epoch {epoch:02d} | loss {running / len(train_x):.4f}")
    with torch.no_grad():
        out = model(test_x)
    if task.kind == "classes":
        return (out.argmax(1) == task.y_held_out).float().mean().item()
    return 1 - ((out - task.y_held_out) ** 2).mean().item() / task.y_held_out.var().item()


if __name__ == "__main__":
    print(f"score {main(int(sys.argv[1]), sys.argv[2]):.4f}")
