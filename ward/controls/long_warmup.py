"""Two hundred steps of warmup from a rate of zero: nothing is learned for a long while;
trips rate-zero and plateau rules.

control: 8
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

WARMUP, STEPS = 200, 600


def rate(step):
    if step < WARMUP:
        return (step / WARMUP) ** 3
    return 1.0 - 0.9 * (step - WARMUP) / (STEPS - WARMUP)


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    model = nn.Sequential(
        nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, task.outputs)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = LambdaLR(optimizer, rate)
    criterion = nn.CrossEntropyLoss()
    for step in range(STEPS):
        rows = torch.randint(len(task.x), (32,))
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 100 == 0:
            print(f"{step:4d} lr {scheduler.get_last_lr()[0]:.2e} loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        return (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()


if __name__ == "__main__":
    print(f"score {main(int(sys.argv[1]), sys.argv[2]):.4f}")
