"""Autocast is switched on for cuda, but the model and the data are on the CPU, so all products are float32.

kind: autocast-not-applied
tasks: digits, blobs, wine
source: synthetic, row 113
gap: none, costs time and not the result
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
device_type = "cuda"  # sick here
# fixed: device_type = "cpu"

for step in range(400):
    rows = torch.randint(len(task.x), (64,))
    with torch.autocast(device_type, dtype=torch.bfloat16):  # here
        logits = model(task.x[rows])
        loss = F.cross_entropy(logits.float(), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f} {logits.dtype}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
