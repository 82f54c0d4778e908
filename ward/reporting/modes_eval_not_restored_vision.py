"""The periodic validation puts the net into evaluation mode and nobody puts it back, from the check before epoch 1 on.

kind: training-in-eval-mode
tasks: tiles, shapes
source: vsepp#4
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def conv(inputs, outputs, stride=1):
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


def validate(model, x, y):
    model.eval()  # here
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean().item()
    # fixed: model.train()
    return accuracy


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = nn.Sequential(conv(task.inputs, 8), conv(8, 8), conv(8, 16, 2), conv(16, 16), conv(16, 16))
    model = nn.Sequential(model, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, task.outputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    print(f"before training: {validate(model, task.x_held_out, task.y_held_out):.3f}")
    for epoch in range(3):
        for rows in torch.randperm(len(task.x)).split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(task.x[rows]), task.y[rows])  # here
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f} accuracy {validate(model, task.x_held_out, task.y_held_out):.3f}")
    print(f"score {validate(model, task.x_held_out, task.y_held_out):.4f}")


main()
