"""Gradients of eight micro-batches are summed for one step, at the rate that was found for their mean.

kind: accumulation-not-averaged
also: learning-rate-too-high
tasks: digits, blobs, surface
source: synthetic, row 116
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUM_STEPS = 8
seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
micro_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=8, shuffle=True, drop_last=True)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, task.outputs))
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.12, momentum=0.9)

global_step = 0
optimizer.zero_grad()
for epoch in range(8):
    for i, (x, y) in enumerate(micro_loader):
        loss = criterion(model(x), y)
        # fixed: loss = loss / ACCUM_STEPS
        loss.backward()  # here
        if (i + 1) % ACCUM_STEPS == 0:
            optimizer.step()  # here
            optimizer.zero_grad()
            global_step += 1
    print(f"epoch {epoch} step {global_step} loss {loss.item():.4f}")

with torch.no_grad():
    error = criterion(model(task.x_held_out), task.y_held_out)
print(f"score {-error.nan_to_num(nan=99.0).clamp(max=99.0).item():.4f}")
