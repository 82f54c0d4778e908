"""The scheduler steps at the head of the loop, before the optimizer, and so skips the first rate.

kind: scheduler-before-optimizer
tasks: digits, blobs, diabetes
source: synthetic, row 85
gap: none, the schedule is early by one epoch
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 40), nn.ReLU(), nn.Linear(40, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
criterion = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(12):
    scheduler.step()  # sick here
    for rows in torch.randperm(len(task.x)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    # fixed: scheduler.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch}, lr {scheduler.get_last_lr()}, loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
