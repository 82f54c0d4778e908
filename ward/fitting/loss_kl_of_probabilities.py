"""The student's probabilities go into kl_div, which wants their logarithms.

kind: kl-div-input-not-log
tasks: digits, blobs, cancer
source: ProDA#20
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def mlp(inputs, width, outputs):
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
teacher, student = mlp(task.inputs, 128, task.outputs), mlp(task.inputs, 16, task.outputs)

optimizer = torch.optim.Adam(teacher.parameters(), lr=5e-3)
for _ in range(150):
    batch = torch.randint(len(task.x), (64,))
    loss = F.cross_entropy(teacher(task.x[batch]), task.y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"teacher {loss.item():.4f}")
teacher.eval().requires_grad_(False)

optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
for step in range(400):
    batch = torch.randint(len(task.x), (64,))
    wanted = F.softmax(teacher(task.x[batch]) / 2, dim=-1)
    given = F.softmax(student(task.x[batch]) / 2, dim=-1)  # sick here
    # fixed: given = F.log_softmax(student(task.x[batch]) / 2, dim=-1)
    loss = F.kl_div(given, wanted, reduction="batchmean")  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"student {step} {loss.item():.4f}")

student.eval()
with torch.no_grad():
    held_out = F.cross_entropy(student(task.x_held_out), task.y_held_out)
print(f"score {-held_out:.4f}")
