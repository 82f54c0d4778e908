"""Some laboratories report in grams where the others report in kilograms, and the squared error is all about them.

kind: outliers-dominate-loss
tasks: surface, curve
source: row 26
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset


def collect(y, share=0.02):
    """Put the measurements of all laboratories into one column, as they were sent in."""
    in_grams = torch.rand(len(y)) < share
    return torch.where(in_grams[:, None], y * 1000, y)


class Regressor(nn.Module):
    def __init__(self, features, width=64):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(features, width), nn.ELU(), nn.Linear(width, width), nn.ELU())
        self.outer = nn.Linear(width, 1)

    def forward(self, x):
        return self.outer(self.inner(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, collect(task.y)), batch_size=64, shuffle=True)
model = Regressor(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = CosineAnnealingLR(optimizer, T_max=30)
# fixed: criterion = nn.SmoothL1Loss(beta=0.5)
criterion = nn.MSELoss()  # sick here
for epoch in range(30):
    total = 0.0
    for x, y in loader:
        loss = criterion(model(x), y)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    scheduler.step()
    if epoch % 6 == 0:
        print(f"epoch {epoch} loss {total / len(loader):.4f}")

model.eval()
with torch.no_grad():
    error = (model(task.x_held_out) - task.y_held_out).abs().median()
print(f"score {-error.item():.4f}")
