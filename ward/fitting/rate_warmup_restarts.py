"""The warmup is computed from the counter of the inner loop, so the rate starts from nothing in every epoch.

kind: scheduler-wrong-frequency
also: learning-rate-too-low
tasks: surface, curve
source: MiniGPT-4#263
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class WarmupScheduler:
    def __init__(self, optimizer, base_lr, warmup_steps):
        self.optimizer, self.base_lr, self.warmup_steps = optimizer, base_lr, warmup_steps

    def step(self, current_step):
        lr = self.base_lr * min(1.0, current_step / self.warmup_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
scheduler = WarmupScheduler(optimizer, base_lr=0.1, warmup_steps=300)
criterion = F.cross_entropy if task.kind == "classes" else F.mse_loss
batches_per_epoch = len(task.x) // 40

for epoch in range(25):
    for i, rows in enumerate(torch.randperm(len(task.x)).split(40)):
        scheduler.step(current_step=i)  # sick here
        # fixed: scheduler.step(current_step=epoch * batches_per_epoch + i)
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} lr {optimizer.param_groups[0]['lr']:.5f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
