"""The gradients are cleared after the backward pass and before the step, so the step finds nothing.

kind: gradients-erased-before-step
also: weights-never-updated
tasks: digits, blobs, rings, wine
source: synthetic, row 68
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 50), nn.ReLU(), nn.Linear(50, task.outputs))
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)

for epoch in range(15):
    for idx in torch.randperm(len(task.x)).split(40):
        logits = model(task.x[idx])
        loss = F.cross_entropy(logits, task.y[idx])
        # fixed: opt.zero_grad()
        loss.backward()
        opt.zero_grad()  # sick here
        opt.step()  # here
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
