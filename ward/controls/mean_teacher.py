"""A mean teacher: an averaged copy without gradients supplies targets for unlabelled rows;
trips detach and frozen rules.

control: 10
tasks: digits, blobs, cancer
score: 0.8
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


@torch.no_grad()
def follow(teacher, student, decay):
    for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
        slow.mul_(decay).add_(fast, alpha=1 - decay)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
labelled = len(task.x) // 3
student = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, task.outputs))
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)

opt = torch.optim.Adam(student.parameters(), lr=3e-3)
for step in range(400):
    student.train()
    rows = torch.randint(labelled, (32,))
    free = torch.randint(len(task.x), (64,))
    supervised = F.cross_entropy(student(task.x[rows]), task.y[rows])
    view = task.x[free]
    target = teacher(view + 0.1 * torch.randn_like(view)).softmax(1).detach()
    consistency = F.mse_loss(student(view + 0.1 * torch.randn_like(view)).softmax(1), target)
    loss = supervised + min(1.0, step / 100) * consistency
    opt.zero_grad()
    loss.backward()
    opt.step()
    follow(teacher, student, 0.98)
    if step % 100 == 0:
        print(f"step {step}: supervised {supervised.item():.4f} consistency {consistency.item():.4f}")

teacher.eval()
with torch.no_grad():
    print(f"score {(teacher(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
