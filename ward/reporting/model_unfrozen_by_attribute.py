"""The last block is unfrozen by setting requires_grad on the module, which is only an attribute that nobody reads.

kind: parameters-frozen
tasks: tiles, shapes
source: row 30
"""

import sys

import torch
from tasks import load
from torch import nn


class Backbone(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU())
        self.stage2 = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
        self.stage3 = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 4), nn.Tanh())

    def forward(self, x):
        return self.stage3(self.stage2(self.stage1(x)))


class Transfer(nn.Module):
    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.fc = nn.Linear(4, classes)
        for parameter in self.backbone.parameters():
            parameter.requires_grad = False  # here
        self.backbone.stage3.requires_grad = True  # sick here
        # fixed: self.backbone.stage3.requires_grad_(True)

    def forward(self, x):
        return self.fc(self.backbone(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Transfer(Backbone(task.inputs), task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)  # here
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
