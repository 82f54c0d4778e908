"""One part in forty is faulty, nothing makes up for it, and the inspector finds that all parts are good.

kind: class-imbalance
also: collapsed-predictions
tasks: blobs, cancer
source: row 22
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler  # noqa: F401


def parts(x, y):
    """Return rows and whether they are faulty, which few are; what tells them is measured poorly."""
    faulty = (y == 0).long()
    kept = (faulty == 0) | (torch.rand(len(y)) < 0.07)
    x, faulty = x[kept], faulty[kept]
    return x + 1.5 * torch.randn_like(x), faulty


def balanced_accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        found = model(x).argmax(1)
    return sum((found[y == kind] == kind).float().mean().item() for kind in (0, 1)) / 2


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = parts(task.x, task.y)
x_test, y_test = task.x_held_out + 1.5 * torch.randn_like(task.x_held_out), (task.y_held_out == 0).long()
weights = 1.0 / torch.bincount(y)[y].float()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)  # sick here
# fixed: loader = DataLoader(TensorDataset(x, y), batch_size=32, sampler=WeightedRandomSampler(weights, len(y)))
inspector = nn.Sequential(nn.Linear(task.inputs, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(inspector.parameters(), lr=1e-3, weight_decay=1e-4)
for epoch in range(15):
    inspector.train()
    for batch_x, batch_y in loader:
        loss = nn.functional.cross_entropy(inspector(batch_x), batch_y)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f} balanced {balanced_accuracy(inspector, x_test, y_test):.3f}")  # here
print(f"score {balanced_accuracy(inspector, x_test, y_test):.4f}")
