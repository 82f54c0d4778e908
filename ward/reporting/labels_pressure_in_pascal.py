"""The targets are pressures in pascal, around 101325, and the network starts at zero with a rate for targets of one.

kind: targets-not-scaled
also: initial-loss-too-high, learning-rate-too-low, underfitting
tasks: surface, diabetes
source: synthetic, row 25
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

MEAN, SPREAD = 101_325.0, 800.0


class Regressor(nn.Module):
    def __init__(self, n_in, width=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.body(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
pressure, pressure_test = MEAN + SPREAD * task.y, MEAN + SPREAD * task.y_held_out
shift, unit = 0.0, 1.0  # sick
# fixed: shift, unit = pressure.mean(), pressure.std()

loader = DataLoader(TensorDataset(task.x, (pressure - shift) / unit), batch_size=32, shuffle=True)
model = Regressor(task.inputs)
optimizer = optim.Adam(model.parameters(), lr=1e-3)  # here
for epoch in range(25):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)  # here
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"[{epoch:2d}] mse {loss.item():.4g}")

model.eval()
with torch.no_grad():
    error = model(task.x_held_out) * unit + shift - pressure_test
print(f"score {-error.abs().mean().item() / SPREAD:.4f}")
