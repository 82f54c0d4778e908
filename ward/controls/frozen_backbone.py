"""A pretrained backbone frozen on purpose, its batch norm held in eval mode;
trips rules on frozen weights and on modes.

control: 7
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Backbone(nn.Sequential):
    def __init__(self, inputs):
        super().__init__(
            nn.Linear(inputs, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()
        )


class Transfer(nn.Module):
    """A frozen backbone under a new head."""

    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(64, classes)
        for p in self.backbone.parameters():
            p.requires_grad = False

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        return self.head(self.backbone(x))


def fit(model, x, y, epochs, lr):
    opt = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=lr)
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(32):
            if len(rows) < 2:
                continue
            opt.zero_grad()
            loss = F.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            opt.step()
        if epoch % 3 == 0:
            print(f"  epoch {epoch} loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
half = len(task.x) // 2
backbone = Backbone(task.inputs)
print("pretraining")
fit(nn.Sequential(backbone, nn.Linear(64, task.outputs)), task.x[:half], task.y[:half], epochs=9, lr=3e-3)
print("fine-tuning the head")
model = Transfer(backbone, task.outputs)
fit(model, task.x[half:], task.y[half:], epochs=9, lr=3e-3)
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
