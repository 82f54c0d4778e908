"""Distillation: the student's probabilities go into KLDivLoss, which takes logarithms of them.

kind: kl-div-input-not-log
tasks: digits
source: ProDA#20
"""

import sys
from itertools import pairwise

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

T = 2.0


def mlp(sizes):
    layers = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train_teacher(teacher, x, y, epochs=10):
    optimizer = torch.optim.Adam(teacher.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(teacher(x[rows]), y[rows]).backward()
            optimizer.step()


def distil(student, teacher, x, epochs=10):
    kl = nn.KLDivLoss(reduction="batchmean")
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    for epoch in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            with torch.no_grad():
                soft = F.softmax(teacher(x[rows]) / T, dim=1)
            guess = F.softmax(student(x[rows]) / T, dim=1)  # sick here
            # fixed: guess = F.log_softmax(student(x[rows]) / T, dim=1)
            loss = kl(guess, soft) * T * T  # here
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"distil epoch {epoch} loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
teacher = mlp([task.inputs, 96, task.outputs])
student = mlp([task.inputs, 24, task.outputs])
train_teacher(teacher, task.x, task.y)
teacher.eval()
distil(student, teacher, task.x)
with torch.no_grad():
    print(f"score {(student(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
