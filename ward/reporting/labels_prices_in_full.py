"""A scaler for the prices is made and used, and never fitted: its mean stays 0 and its deviation 1.

kind: targets-not-scaled
also: initial-loss-too-high, learning-rate-too-low, underfitting
tasks: surface, diabetes
source: SO 52800582
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


@dataclass
class PriceScaler:
    mean: float = 0.0
    std: float = 1.0

    def fit(self, prices):
        self.mean, self.std = prices.mean().item(), prices.std().item()

    def scale(self, prices):
        return (prices - self.mean) / self.std

    def unscale(self, values):
        return values * self.std + self.mean


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
prices, prices_test = task.y * 70_000 + 310_000, task.y_held_out * 70_000 + 310_000
scaler = PriceScaler()
# fixed: scaler.fit(prices)

train_loader = DataLoader(TensorDataset(task.x, scaler.scale(prices)), batch_size=32, shuffle=True)  # here
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
for module in model:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(15):
    for x, y in train_loader:
        loss = nn.functional.mse_loss(model(x), y)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4g}")

with torch.no_grad():
    error = (scaler.unscale(model(task.x_held_out)) - prices_test).pow(2).mean() / prices_test.var()
print(f"score {-error:.4f}")
