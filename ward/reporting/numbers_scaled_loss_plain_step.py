"""The loss is scaled for half precision, and optimizer.step() is called instead of scaler.step(): nobody unscales.

kind: learning-rate-too-high
also: exploding-gradients, non-finite-loss, dead-relu
tasks: digits, surface
source: synthetic, row 109
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.amp import GradScaler, autocast

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
loss_fn = nn.CrossEntropyLoss() if task.kind == "classes" else nn.SmoothL1Loss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
scaler = GradScaler("cpu", init_scale=1024.0)

for epoch in range(6):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        with autocast("cpu", dtype=torch.bfloat16):
            output = model(task.x[rows])
        loss = loss_fn(output.float(), task.y[rows])
        scaler.scale(loss).backward()  # here
        optimizer.step()  # sick here
        # fixed: scaler.step(optimizer)
        # fixed: scaler.update()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

with torch.no_grad():
    error = loss_fn(model(task.x_held_out), task.y_held_out)
print(f"score {-error.nan_to_num(nan=99.0).clamp(max=99.0).item():.4f}")
