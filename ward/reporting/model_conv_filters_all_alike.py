"""All filters and all weights are filled with one constant, so all channels of a layer stay alike.

kind: symmetric-initialisation
also: collapsed-predictions
tasks: tiles, shapes
source: synthetic, row 48
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class LeNetish(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, classes)
        for p in self.parameters():
            nn.init.constant_(p, 0.05)  # sick here
            # fixed: nn.init.uniform_(p, -0.15, 0.15)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.adaptive_avg_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = LeNetish(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)  # here
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} {loss.item():.4f}")

with torch.no_grad():
    predictions = model(task.x_held_out).argmax(dim=1)
print(f"score {(predictions == task.y_held_out).float().mean().item():.4f}")
