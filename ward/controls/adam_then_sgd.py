"""Adam for the first half of the run and SGD for the second: the optimizer is made anew, once and on purpose;
trips rules on recreated optimizers.

control: change of optimizer
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ELU(), nn.Linear(64, 64), nn.ELU(), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
for optimizer in (
    torch.optim.Adam(model.parameters(), lr=3e-3),
    torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9),
):
    scheduler = CosineAnnealingLR(optimizer, T_max=8)
    for epoch in range(8):
        for rows in torch.randperm(len(task.x)).split(32):
            optimizer.zero_grad()
            loss = criterion(model(task.x[rows]), task.y[rows])
            loss.backward()
            optimizer.step()
        scheduler.step()
        print(f"{type(optimizer).__name__} epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    output = model(task.x_held_out)
if task.kind == "classes":
    print(f"score {(output.argmax(1) == task.y_held_out).float().mean().item():.4f}")
else:
    print(f"score {1 - (output - task.y_held_out).var().item() / task.y_held_out.var().item():.4f}")
