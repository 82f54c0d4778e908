"""The table keeps its raw units, up to a hundred thousand, and the first layer is the batch norm that scales them;
trips rules on inputs that are not normalised.

control: huge inputs, normalised inside the network
tasks: cancer, wine, digits
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def in_raw_units(x):
    """Each column in a unit of its own, as the instruments write them."""
    units = torch.logspace(-2, 4, x.shape[1])
    return (x + 3) * units


class Tabular(nn.Module):
    def __init__(self, columns, classes):
        super().__init__()
        self.scale = nn.BatchNorm1d(columns, affine=False)
        self.net = nn.Sequential(nn.Linear(columns, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, classes))

    def forward(self, table):
        return self.net(self.scale(table))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train = TensorDataset(in_raw_units(task.x), task.y)
loader = DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
model = Tabular(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(15):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(in_raw_units(task.x_held_out)).argmax(1) == task.y_held_out).float().mean():.4f}")
