"""The gradient norm is clipped right after zero_grad, when there are no gradients; the large ones come afterwards.

kind: clipping-without-effect
also: learning-rate-too-high, exploding-gradients
tasks: curve, surface, diabetes
source: synthetic, row 105
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = task.x, task.y * 5.0
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(20):
    for rows in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # sick here
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        loss.backward()
        # fixed: nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    error = nn.functional.mse_loss(model(task.x_held_out) / 5.0, task.y_held_out)
print(f"score {-error.item():.4f}")
