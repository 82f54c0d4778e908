"""The gradients are clipped while they still carry the scale of the GradScaler, which leaves next to nothing of them.

kind: clip-before-unscale
also: learning-rate-too-low
tasks: digits, wine, cancer
source: Lightning#9330
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.amp import GradScaler, autocast

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
scaler = GradScaler("cpu", init_scale=1024.0)

for step in range(300):
    index = torch.randint(0, len(task.x), (64,))
    optimizer.zero_grad()
    with autocast("cpu", dtype=torch.float16):
        output = model(task.x[index])
        loss = criterion(output.float(), task.y[index])
    scaler.scale(loss).backward()
    # fixed: scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # here
    scaler.step(optimizer)
    scaler.update()
    if step % 60 == 0:
        print(f"step {step} loss {loss.item():.4f} scale {scaler.get_scale():.0f}")

with torch.no_grad():
    loss = criterion(model(task.x_held_out), task.y_held_out)
print(f"score {-loss.item():.4f}")
