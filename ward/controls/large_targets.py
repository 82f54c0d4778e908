"""Targets near ten thousand and a head that knows their mean and spread: a loss in the millions that is quite all
right.

control: 1
tasks: curve, surface
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
price, price_held_out = 12_000 + 4_000 * task.y, 12_000 + 4_000 * task.y_held_out


class PriceModel(nn.Module):
    """Predicts in thousands around the mean price, answers in the unit of the target."""

    def __init__(self, features, mean, spread):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)

    def forward(self, x):
        return self.mean + self.spread * self.body(x)


model = PriceModel(task.inputs, price.mean(), price.std())
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(60):
    losses = []
    for rows in torch.randperm(len(price)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(task.x[rows]), price[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 10 == 0:
        print(f"epoch {epoch}: mse {sum(losses) / len(losses):.1f}")

model.eval()
with torch.no_grad():
    error = ((model(task.x_held_out) - price_held_out) ** 2).mean()
print(f"score {1 - (error / price_held_out.var(unbiased=False)).item():.4f}")
