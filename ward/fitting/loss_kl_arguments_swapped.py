"""kl_div takes the logarithms first and the target second; here the two have changed places.

kind: kl-div-input-not-log
tasks: digits, blobs
source: ProDA#20
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def mlp(inputs, width, outputs):
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


def fit_teacher(teacher, task):
    optimizer = torch.optim.Adam(teacher.parameters(), lr=5e-3)
    for _ in range(200):
        rows = torch.randint(len(task.x), (64,))
        loss = F.cross_entropy(teacher(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return teacher.eval().requires_grad_(False)


def distillation_loss(student_logits, teacher_logits, temperature=2.0):
    student = F.log_softmax(student_logits / temperature, dim=1)
    teacher = F.softmax(teacher_logits / temperature, dim=1)
    # fixed: return F.kl_div(student, teacher, reduction="batchmean") * temperature**2
    return F.kl_div(teacher, student, reduction="batchmean") * temperature**2  # sick here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
teacher = fit_teacher(mlp(task.inputs, 128, task.outputs), task)
student = mlp(task.inputs, 16, task.outputs)
optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)
for step in range(500):
    x = task.x[torch.randint(len(task.x), (48,))]
    with torch.no_grad():
        wanted = teacher(x)
    loss = distillation_loss(student(x), wanted)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"{step} {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(student(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
