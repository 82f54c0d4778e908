"""An L1 penalty of 0.5 on all weights outweighs the loss: the net predicts the same for everything.

kind: underfitting
also: collapsed-predictions, outputs-ignore-input, weight-decay-too-strong
tasks: digits, rings, surface
source: synthetic, row 91
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss
strength = 0.5  # sick here
# fixed: strength = 1e-5

for step in range(600):
    rows = torch.randint(len(task.x), (64,))
    data_loss = loss_fn(model(task.x[rows]), task.y[rows])  # here
    penalty = sum(p.abs().sum() for p in model.parameters())
    loss = data_loss + strength * penalty  # here
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(f"step {step} data loss {data_loss.item():.4f} penalty {penalty.item():.2f}")

with torch.no_grad():
    print(f"score {-loss_fn(model(task.x_held_out), task.y_held_out).item():.4f}")
