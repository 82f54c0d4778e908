"""The helper puts the global model of an earlier cell into evaluation mode, not the one that it was handed.

kind: evaluating-in-train-mode
tasks: digits, blobs
source: synthetic, row 97
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()


def make(width):
    layers = [nn.Linear(task.inputs, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, task.outputs))


def fit(net, epochs=12):
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(task.x)).split(40):
            if len(rows) < 2:
                continue
            optimizer.zero_grad()
            loss = criterion(net(task.x[rows]), task.y[rows])
            loss.backward()
            optimizer.step()
    return net


def evaluate(net):
    # fixed: net.eval()
    model.eval()  # sick here
    with torch.no_grad():
        return criterion(net(task.x_held_out), task.y_held_out).item()  # here


model = fit(make(16))
print("narrow", round(evaluate(model), 4))
wide = fit(make(96))
print("wide", round(evaluate(wide), 4))
print(f"score {-evaluate(wide):.4f}")
