"""Non-negative readings meet weights that are all negative, so the ReLUs above them never open.

kind: dead-relu
also: outputs-ignore-input
tasks: tiles, digits, blobs
source: row 45
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
floor = task.x.min()
readings = (task.x - floor).flatten(1)
readings_held_out = (task.x_held_out - floor).clamp(min=0).flatten(1)

lower = nn.Linear(readings.shape[1], 48)
upper = nn.Linear(48, task.outputs)
bound = readings.shape[1] ** -0.5
nn.init.uniform_(lower.weight, -bound, 0)  # sick here
# fixed: nn.init.uniform_(lower.weight, -bound, bound)
nn.init.zeros_(lower.bias)
optimizer = torch.optim.Adam([*lower.parameters(), *upper.parameters()], lr=3e-3)
for i in range(400):
    rows = torch.randint(len(readings), (32,))
    hidden = F.relu(lower(readings[rows]))  # here
    loss = F.cross_entropy(upper(hidden), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if i % 50 == 0:
        print(i, round(loss.item(), 4))

with torch.no_grad():
    best = upper(F.relu(lower(readings_held_out))).argmax(dim=1)
print(f"score {(best == task.y_held_out).float().mean():.4f}")
