"""A focal loss by hand: softmax, the probability of the right class, its clamped logarithm; nothing is softened twice;
trips rules on softmax before a loss and on logarithms.

control: focal loss by hand
tasks: digits, blobs, tiles
score: 0.75
"""

import sys

import torch
from tasks import load
from torch import nn


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, floor=1e-7):
        super().__init__()
        self.gamma, self.floor = gamma, floor

    def forward(self, logits, labels):
        right = logits.softmax(dim=-1).gather(1, labels[:, None]).clamp_min(self.floor)
        return (-((1 - right) ** self.gamma) * right.log()).mean()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.ReLU(), nn.Linear(64, task.outputs))
criterion = FocalLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
