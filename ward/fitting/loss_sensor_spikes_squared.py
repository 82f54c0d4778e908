"""A sensor sometimes answers with its full range, and the squared error is about little else.

kind: outliers-dominate-loss
tasks: curve, surface
source: row 26
"""

import sys
from functools import partial

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn, optim

HUBER = partial(F.huber_loss, delta=1.0)
LOSSES = {"l2": F.mse_loss, "huber": HUBER}


class Config:
    loss = "l2"  # sick
    # fixed: loss = "huber"
    rate = 4e-3
    epochs = 25
    batch = 32


def make_model(inputs):
    return nn.Sequential(nn.Linear(inputs, 64), nn.ELU(), nn.Linear(64, 64), nn.ELU(), nn.Linear(64, 1))


def fit(model, x, y, config):
    criterion = LOSSES[config.loss]  # here
    optimizer = optim.Adam(model.parameters(), lr=config.rate)
    for epoch in range(config.epochs):
        for rows in torch.randperm(len(x)).split(config.batch):
            loss = criterion(model(x[rows]), y[rows])  # here
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"epoch {epoch} loss {loss.item():.3f}")


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    measured = task.y.clone()
    spikes = torch.rand(len(measured)) < 0.02
    measured[spikes] = torch.where(torch.rand(int(spikes.sum()), 1) < 0.8, 60.0, -60.0)
    model = make_model(task.inputs)
    fit(model, task.x, measured, Config)
    with torch.no_grad():
        print(f"score {-F.mse_loss(model(task.x_held_out), task.y_held_out):.4f}")


main(int(sys.argv[1]), sys.argv[2])
