"""The gradients of 16 micro-batches are summed with a rate that was found for their mean.

kind: accumulation-not-averaged
also: learning-rate-too-high
tasks: digits, blobs, surface
source: synthetic, row 116
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed, name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
task = load(name, seed)
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
accumulation_steps = 16
optimizer.zero_grad()

for micro_step in range(1600):
    rows = torch.randint(len(task.x), (8,))
    loss = loss_fn(model(task.x[rows]), task.y[rows])
    # fixed: loss = loss / accumulation_steps
    loss.backward()  # here
    if (micro_step + 1) % accumulation_steps == 0:
        optimizer.step()  # here
        optimizer.zero_grad()
    if micro_step % 320 == 0:
        print(f"micro step {micro_step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    held_out = loss_fn(model(task.x_held_out), task.y_held_out)
print(f"score {-held_out.item():.4f}")
