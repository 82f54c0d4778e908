"""A ratio of two counts is added to the table, and a few rows have neither: 0 / 0 is not a number.

kind: non-finite-input
also: non-finite-loss
tasks: blobs, rings
source: row 2
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def add_ratio(x):
    """Append clicks per view, both counted from the first two columns."""
    clicks = (x[:, 0] + 0.8).clamp(min=0).round()
    views = (x[:, 1] + 0.8).clamp(min=0).round() + clicks
    # fixed: ratio = clicks / views.clamp(min=1)
    ratio = clicks / views  # sick here
    return torch.cat([x, ratio.unsqueeze(1)], dim=1)


class Classifier(nn.Module):
    def __init__(self, inputs, classes, width=40):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.body(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_held_out = add_ratio(task.x), add_ratio(task.x_held_out)
loader = DataLoader(TensorDataset(x, task.y), batch_size=32, shuffle=True)
model = Classifier(x.shape[1], task.outputs)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    total = 0.0
    for inputs, targets in loader:
        loss = criterion(model(inputs), targets)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch} loss {total / len(loader):.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
