"""After a tidy-up `loss.backward()` stands in no branch that is reached: the steps are taken without gradients.

kind: missing-backward
also: weights-never-updated
tasks: digits, curve
source: synthetic, row 69
"""

import sys

import torch
import torch.nn as nn
from tasks import load

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
use_amp = torch.cuda.is_available()
scaler = torch.amp.GradScaler(enabled=use_amp)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.GELU(), nn.Linear(64, task.outputs))
loss_fn = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.NAdam(net.parameters(), lr=2e-3)

for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(64):
        with torch.autocast("cuda", enabled=use_amp):
            loss = loss_fn(net(task.x[rows]), task.y[rows])
        if use_amp:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            # fixed: loss.backward()
            optimizer.step()  # here
        optimizer.zero_grad()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {-loss_fn(net(task.x_held_out), task.y_held_out).item():.4f}")
