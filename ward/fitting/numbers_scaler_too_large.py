"""The scaler starts at 2**40 and backs off by one per mille: each step overflows and is skipped.

kind: scaler-keeps-skipping
also: weights-never-updated
tasks: digits, blobs, surface
source: synthetic, row 110
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.amp import GradScaler

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scaler = GradScaler("cpu", init_scale=2.0**40, backoff_factor=0.999)  # sick here
# fixed: scaler = GradScaler("cpu", init_scale=2.0**10)
criterion = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(48):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device_type="cpu", dtype=torch.float16):
            prediction = model(task.x[rows])
        loss = criterion(prediction.float(), task.y[rows])
        scaler.scale(loss).backward()
        scaler.step(optimizer)  # here
        scaler.update()  # here
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
