"""A trunk that has learnt nothing yet is frozen for a warm-up of the head, and nobody thaws it afterwards.

kind: parameters-frozen
tasks: rings, shapes
source: synthetic, row 30
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, task):
        super().__init__()
        if task.x.dim() == 4:
            conv = nn.Conv2d(task.inputs, 8, 5, padding=2)
            self.backbone = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 16))
        else:
            self.backbone = nn.Sequential(nn.Linear(task.inputs, 8), nn.ReLU(), nn.Linear(8, 16))
        self.head = nn.Sequential(nn.Tanh(), nn.Linear(16, task.outputs))

    def forward(self, x):
        return self.head(self.backbone(x))

    def freeze_backbone(self, frozen=True):
        for p in self.backbone.parameters():
            p.requires_grad = not frozen  # here


WARMUP_EPOCHS, EPOCHS = 2, 15
seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task)
net.freeze_backbone()  # here
optimizer = optim.Adam(net.parameters(), lr=5e-3)  # here
criterion = nn.CrossEntropyLoss()
for epoch in range(EPOCHS):
    # fixed: net.freeze_backbone(epoch < WARMUP_EPOCHS)
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}/{EPOCHS} {'warmup ' if epoch < WARMUP_EPOCHS else ''}loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
