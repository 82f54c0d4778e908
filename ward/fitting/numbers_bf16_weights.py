"""The weights are bfloat16 and the rate is small: most updates are less than half a unit in the last place and vanish.

kind: bf16-updates-lost
also: learning-rate-too-low, weights-never-updated
tasks: digits, blobs, curve
source: torchao#1124
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
dtype = torch.bfloat16  # sick
# fixed: dtype = torch.float32
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs)).to(dtype)  # here
optimizer = torch.optim.SGD(model.parameters(), lr=2e-3, momentum=0.9)
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss

for step in range(900):
    rows = torch.randint(len(task.x), (64,))
    loss = loss_fn(model(task.x[rows].to(dtype)).float(), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
    if step % 150 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-loss_fn(model(task.x_held_out.to(dtype)).float(), task.y_held_out).item():.4f}")
