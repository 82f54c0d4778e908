"""A student follows its teacher by the divergence of the student from the teacher, and the other way round.

control: distillation
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

teacher = nn.Sequential(nn.Linear(task.inputs, 128), nn.ReLU(), nn.Linear(128, task.outputs))
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))
optimizer = torch.optim.Adam(teacher.parameters(), lr=3e-3)
for _ in range(300):
    rows = torch.randint(len(task.x), (32,))
    loss = F.cross_entropy(teacher(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
teacher.eval().requires_grad_(False)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(400):
    rows = torch.randint(len(task.x), (32,))
    with torch.no_grad():
        known = teacher(task.x[rows]).log_softmax(1)
    loss = F.kl_div(known, model(task.x[rows]).softmax(1), reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
