"""The exponential schedule is stepped for each epoch, as planned, and in the batch loop as well.

kind: scheduler-wrong-frequency
also: learning-rate-too-low
tasks: curve, surface, digits
source: meshed-memory#71
"""

import sys

import torch
from tasks import load
from torch import nn, optim


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = nn.Sequential(
        nn.Linear(task.inputs, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh(), nn.Linear(50, task.outputs)
    )
    optim_ = optim.Adam(model.parameters(), lr=5e-3)
    lr_schedule = optim.lr_scheduler.ExponentialLR(optim_, gamma=0.9)  # here
    criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
    for epoch in range(20):
        lr_schedule.step() if epoch else None  # here
        for it, batch in enumerate(torch.randperm(len(task.x)).split(40)):
            loss = criterion(model(task.x[batch]), task.y[batch])
            optim_.zero_grad()
            loss.backward()
            optim_.step()
            lr_schedule.step()  # sick here
            if epoch % 5 == 0 and it == 0:
                print("epoch", epoch, "loss", loss.item(), "lr", lr_schedule.get_last_lr())
    model.eval()
    with torch.no_grad():
        print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")


main()
