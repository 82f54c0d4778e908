"""The statistics of the whole table are computed again for every sample that is read.

kind: slow-data-loading
tasks: digits, tiles, shapes
source: row 18
gap: none, the same samples arrive, only late
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Standardised(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.mean, self.spread = x.mean(dim=0), x.std()

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        mean = self.x.mean(dim=0)  # sick here
        # fixed: mean = self.mean
        return (self.x[index] - mean) / self.spread, self.y[index]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
data = Standardised(task.x.flatten(1), task.y)
loader = DataLoader(data, batch_size=32, shuffle=True)  # here
model = nn.Sequential(nn.Linear(data.x.shape[1], 48), nn.ReLU(), nn.Linear(48, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(2):
    for x, y in loader:  # here
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    held_out = (task.x_held_out.flatten(1) - data.mean) / data.spread
    print(f"score {(model(held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
