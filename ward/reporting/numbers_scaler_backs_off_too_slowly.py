"""The scale of the loss begins far too high and is lowered by three per cent at a time: nearly every step is skipped.

kind: scaler-keeps-skipping
also: weights-never-updated
tasks: digits, blobs, topics
source: synthetic, row 110
"""

import sys
from dataclasses import asdict, dataclass

import torch
from tasks import load
from torch import nn


@dataclass
class ScalerSettings:
    init_scale: float = 2.0**32
    growth_factor: float = 2.0
    backoff_factor: float = 0.97  # sick here
    # fixed: backoff_factor: float = 0.5
    growth_interval: int = 2000


class AmpTrainer:
    def __init__(self, model, loss_fn, lr):
        self.model, self.loss_fn = model, loss_fn
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.scaler = torch.amp.GradScaler("cpu", **asdict(ScalerSettings()))  # here

    def step(self, x, y):
        with torch.autocast("cpu", dtype=torch.float16):
            output = self.model(x)
        loss = self.loss_fn(output.float(), y)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)  # here
        self.scaler.update()
        return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loss_fn = nn.BCEWithLogitsLoss() if task.kind == "several" else nn.CrossEntropyLoss()
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
trainer = AmpTrainer(model, loss_fn, lr=0.1)
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(40):
        loss = trainer.step(task.x[rows], task.y[rows])
    print(f"epoch {epoch} loss {loss:.3f} scale {trainer.scaler.get_scale():.0f}")
with torch.no_grad():
    print(f"score {-loss_fn(model(task.x_held_out), task.y_held_out):.4f}")
