"""Memory is short, so pictures come one by one and gradients are accumulated; batch norm sees one picture at a time.

kind: batch-norm-tiny-batch
tasks: shapes, tiles
source: pytorch#4741
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 16


def norm(channels):
    return nn.BatchNorm2d(channels)  # sick here
    # fixed: return nn.GroupNorm(4, channels)


class SmallNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 3, stride=2, padding=1),
            norm(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            norm(16),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(16, classes)

    def forward(self, x):
        return self.classifier(self.features(x))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = SmallNet(task.inputs, task.outputs)
optimizer = optim.Adam(model.parameters(), lr=6e-3)
loader = DataLoader(TensorDataset(task.x[:600], task.y[:600]), batch_size=1, shuffle=True)
for epoch in range(4):
    model.train()
    optimizer.zero_grad()
    for i, (image, label) in enumerate(loader, start=1):
        loss = nn.functional.cross_entropy(model(image), label) / ACCUMULATE
        loss.backward()
        if i % ACCUMULATE == 0:
            optimizer.step()
            optimizer.zero_grad()
    print(f"epoch {epoch} last loss {loss.item() * ACCUMULATE:.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
