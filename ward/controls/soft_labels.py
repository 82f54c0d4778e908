"""Distillation: probabilities of a teacher as targets of a cross-entropy; trips label-encoding and initial-loss rules.

control: 4
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def batches(n, size):
    yield from torch.randperm(n).split(size)


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        value = (model(x).argmax(1) == y).float().mean().item()
    model.train()
    return value


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
epochs = max(6, 12_000 // len(task.x))

teacher = nn.Sequential(nn.Linear(task.inputs, 128), nn.ReLU(), nn.Linear(128, task.outputs))
opt_t = torch.optim.Adam(teacher.parameters(), lr=3e-3)
for _ in range(epochs):
    for rows in batches(len(task.x), 48):
        opt_t.zero_grad()
        loss = F.cross_entropy(teacher(task.x[rows]), task.y[rows])
        loss.backward()
        opt_t.step()
print(f"teacher: loss {loss.item():.4f}, accuracy {accuracy(teacher, task.x_held_out, task.y_held_out):.4f}")

teacher.eval()
with torch.no_grad():
    soft = F.softmax(teacher(task.x) / 3.0, dim=1)

student = nn.Sequential(nn.Linear(task.inputs, 24), nn.ReLU(), nn.Linear(24, task.outputs))
opt_s = torch.optim.Adam(student.parameters(), lr=5e-3)
for epoch in range(epochs):
    for rows in batches(len(task.x), 48):
        loss = F.cross_entropy(student(task.x[rows]) / 3.0, soft[rows])
        opt_s.zero_grad()
        loss.backward()
        opt_s.step()
    if epoch % 3 == 0:
        print(f"student epoch {epoch}: loss {loss.item():.4f}")
print(f"score {accuracy(student, task.x_held_out, task.y_held_out):.4f}")
