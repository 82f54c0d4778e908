"""Batch norm over four pictures with sixteen crops each, so its batch is 64 after all; trips batch-norm-tiny-batch.

control: 20
tasks: shapes
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

CROPS, SIZE = 16, 12


def crops(pictures):
    """Cut CROPS random windows out of each picture."""
    out = []
    for picture in pictures:
        for top, left in torch.randint(0, 16 - SIZE + 1, (CROPS, 2)).tolist():
            out.append(picture[:, top : top + SIZE, left : left + SIZE])
    return torch.stack(out)


class Encoder(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(24, classes)

    def forward(self, x):
        batch = len(x)
        logits = self.head(self.body(crops(x)))
        return logits.view(batch, CROPS, -1).mean(1)


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = Encoder(task.inputs, task.outputs)
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(1):
    for i, rows in enumerate(torch.randperm(len(task.x)).split(4)):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if i % 40 == 0:
            print(f"epoch {epoch} batch {i} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
