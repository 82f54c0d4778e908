"""The focal loss has alpha for positives and 1 - alpha for negatives, and alpha was set to 1: negatives cost nothing.

kind: collapsed-predictions
also: class-weights-inverted
tasks: cancer, rings
source: synthetic, row 40
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class FocalLoss(nn.Module):
    def __init__(self, alpha=0.5, gamma=1.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits, targets):
        targets = targets.float()
        error = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        sure = torch.exp(-error)
        share = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        return (share * (1 - sure) ** self.gamma * error).mean()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
# fixed: criterion = FocalLoss(gamma=1.0)
criterion = FocalLoss(alpha=1.0, gamma=1.0)  # sick here
for epoch in range(15):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = criterion(model(task.x[rows]).squeeze(1), task.y[rows])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} focal loss {loss.item():.5f}")

model.eval()
with torch.no_grad():
    guess = (model(task.x_held_out).squeeze(1) > 0).long()
print(f"score {(guess == task.y_held_out).float().mean():.4f}")
