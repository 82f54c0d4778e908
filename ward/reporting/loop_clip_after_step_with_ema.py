"""Gradients are clipped after the step, where they change nothing any more, in a loop that keeps average weights too.

kind: clipping-without-effect
also: learning-rate-too-high, exploding-gradients, non-finite-loss
tasks: curve, surface
source: synthetic, row 105
"""

import copy
import sys

import torch
from tasks import load
from torch import nn


class EMA:
    def __init__(self, model, decay=0.95):
        self.shadow, self.decay = copy.deepcopy(model), decay
        self.shadow.requires_grad_(False)

    def update(self, model):
        for slow, fast in zip(self.shadow.parameters(), model.parameters(), strict=True):
            slow.mul_(self.decay).add_(fast.detach(), alpha=1 - self.decay)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
y, y_held_out = 10 * task.y, 10 * task.y_held_out
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
ema = EMA(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
loss_function = nn.MSELoss()

for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = loss_function(model(task.x[rows]), y[rows])
        loss.backward()
        # fixed: nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)  # sick here
        ema.update(model)
    if epoch % 4 == 0:
        print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    error = loss_function(ema.shadow(task.x_held_out), y_held_out) / y_held_out.var()
print(f"score {-error.nan_to_num(nan=99.0).clamp(max=99).item():.4f}")
