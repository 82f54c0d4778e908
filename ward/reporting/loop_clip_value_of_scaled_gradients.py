"""clip_grad_value_ comes before the scaler has divided the gradients, so all of them are cut to nothing.

kind: clip-before-unscale
also: learning-rate-too-low
tasks: digits, surface
source: Pytorch-UNet#470
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class AmpTrainer:
    def __init__(self, model, criterion, clip=0.1):
        self.model, self.criterion, self.clip = model, criterion, clip
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)

    def step(self, x, y):
        self.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = self.model(x)
        loss = self.criterion(output.float(), y)
        self.scaler.scale(loss).backward()
        # fixed: self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_value_(self.model.parameters(), self.clip)  # here
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
trainer = AmpTrainer(net, nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss())
for epoch in range(6):
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True):
        loss = trainer.step(x, y)
    print(f"epoch {epoch} loss {loss:.4f}")

with torch.no_grad():
    print(f"score {-trainer.criterion(net(task.x_held_out), task.y_held_out).item():.4f}")
