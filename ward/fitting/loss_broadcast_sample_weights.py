"""Weights [batch] are multiplied with losses [batch, 1]: the mean of the square is mean times mean, and they are void.

kind: loss-shape-broadcast
tasks: surface, curve
source: synthetic, row 60
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def spoil(y, share=0.4):
    """Half-broken sensors report a constant; their rows are known and trusted little."""
    broken = torch.rand(len(y)) < share
    return torch.where(broken[:, None], torch.full_like(y, 3.0), y), torch.where(broken, 0.02, 1.0)


class WeightedLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.each = nn.MSELoss(reduction="none")

    def forward(self, prediction, target, weight):
        # fixed: each = self.each(prediction, target).squeeze(1)
        each = self.each(prediction, target)  # sick
        return (weight * each).mean()  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
y, weight = spoil(task.y)
loader = DataLoader(TensorDataset(task.x, y, weight), batch_size=32, shuffle=True)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
criterion = WeightedLoss()
for epoch in range(20):
    for xb, yb, wb in loader:
        optimizer.zero_grad()
        loss = criterion(net(xb), yb, wb)  # here
        loss.backward()
        optimizer.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {1 - nn.functional.mse_loss(net(task.x_held_out), task.y_held_out).item():.4f}")
