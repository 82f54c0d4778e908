"""The linear warmup is created but never stepped, so the rate stays at a thousandth of what was meant.

kind: scheduler-never-stepped
also: learning-rate-too-low
tasks: digits, curve, cancer
source: synthetic, scheduler never stepped
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.GELU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-3, total_iters=20)  # here
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(12):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        loss = loss_fn(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # fixed: warmup.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-loss_fn(model(task.x_held_out), task.y_held_out).item():.4f}")
