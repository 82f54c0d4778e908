"""When mixed precision came in, optimizer.step() was taken out, and scaler.step(optimizer) was never put in.

kind: missing-optimizer-step
also: weights-never-updated
tasks: digits, blobs
source: row 69
"""

import sys

import torch
from tasks import load
from torch import nn


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        self.criterion = nn.CrossEntropyLoss()

    def step(self, x, y):
        self.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = self.criterion(self.model(x), y)
        self.scaler.scale(loss).backward()  # here
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        # fixed: self.scaler.step(self.optimizer)
        self.scaler.update()  # here
        return loss.item(), norm.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
trainer = Trainer(nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs)), lr=3e-3)
for epoch in range(6):
    for rows in torch.randperm(len(task.x)).split(32):
        loss, norm = trainer.step(task.x[rows], task.y[rows])
    print(f"epoch {epoch} loss {loss:.4f} norm {norm:.3f}")

with torch.no_grad():
    print(f"score {(trainer.model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
