"""The scaler of the targets is fitted and called, but what it returns is thrown away: prices stay in dollars.

kind: targets-not-scaled
also: learning-rate-too-low
tasks: surface, diabetes
source: row 25
"""

import sys

import torch
from tasks import load
from torch import nn


class Scaler:
    def fit(self, values):
        self.mean, self.deviation = values.mean(0), values.std(0)
        return self

    def transform(self, values):
        return (values - self.mean) / self.deviation

    def inverse(self, values):
        return values * self.deviation + self.mean


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
prices = 240_000 + 60_000 * task.y
prices_held_out = 240_000 + 60_000 * task.y_held_out

scaler = Scaler().fit(prices)
# fixed: prices = scaler.transform(prices)
scaler.transform(prices)  # sick here

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(20):
    total = 0.0
    for rows in torch.randperm(len(task.x)).split(50):
        loss = nn.functional.mse_loss(model(task.x[rows]), prices[rows])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    if epoch % 4 == 0:
        print(f"epoch {epoch:2d}: {total / len(task.x):.6g}")

model.eval()
with torch.no_grad():
    predicted = model(task.x_held_out)
    # fixed: predicted = scaler.inverse(predicted)
residual = (predicted - prices_held_out).square().mean() / prices_held_out.var()
print(f"score {max(1 - residual.item(), -10):.4f}")
