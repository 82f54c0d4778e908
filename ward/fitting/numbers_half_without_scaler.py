"""Targets near 1e-5 under float16 autocast, with the scaler switched off: the gradients underflow to zero.

kind: fp16-underflow
also: underfitting, learning-rate-too-low, weights-never-updated
tasks: curve, surface, diabetes
source: synthetic, row 108
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
volt = 1e-5  # the targets are readings in volts
x, y = task.x, task.y * volt
use_scaler = False  # sick here
# fixed: use_scaler = True
scaler = torch.amp.GradScaler("cpu", enabled=use_scaler, init_scale=2.0**30)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-16)

for step in range(400):
    rows = torch.randint(len(x), (64,))
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        output = model(x[rows])
    loss = nn.functional.mse_loss(output.float() * volt, y[rows])
    scaler.scale(loss).backward()  # here
    scaler.step(optimizer)
    scaler.update()
    if step % 80 == 0:
        print(f"step {step} loss {loss.item():.3e}")

with torch.no_grad():
    error = nn.functional.mse_loss(model(task.x_held_out), task.y_held_out)
print(f"score {-error.item():.4f}")
