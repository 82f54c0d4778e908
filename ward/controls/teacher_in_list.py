"""Teachers kept in a plain list, run under no_grad so that nobody trains or saves them; trips unregistered-submodule.

control: 21
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def mlp(inputs, width, outputs):
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


class Student(nn.Module):
    """Learns from labels and from teachers that are no part of its state."""

    def __init__(self, inputs, outputs, teachers):
        super().__init__()
        self.net = mlp(inputs, 32, outputs)
        self._teachers = list(teachers)

    def forward(self, x):
        return self.net(x)

    def advice(self, x):
        with torch.no_grad():
            return torch.stack([teacher(x).softmax(1) for teacher in self._teachers]).mean(0)


def steps(model, task, n, loss_of):
    opt = torch.optim.Adam(model.parameters(), lr=3e-3)
    for i in range(n):
        rows = torch.randint(len(task.x), (40,))
        loss = loss_of(model, task.x[rows], task.y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if i % 100 == 0:
            print(f"{i} {loss.item():.4f}")


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
teachers = [mlp(task.inputs, 64, task.outputs) for _ in range(3)]
for teacher in teachers:
    steps(teacher, task, 150, lambda model, x, y: F.cross_entropy(model(x), y))
    teacher.eval()
student = Student(task.inputs, task.outputs, teachers)
steps(
    student,
    task,
    300,
    lambda model, x, y: (
        F.cross_entropy(model(x), y) + F.kl_div(model(x).log_softmax(1), model.advice(x), reduction="batchmean")
    ),
)
student.eval()
with torch.no_grad():
    print(f"score {(student(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
