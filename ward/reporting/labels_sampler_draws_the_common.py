"""The weighted sampler is given the counts of the classes instead of their inverse: what is common is drawn even more.

kind: class-imbalance
also: class-weights-inverted, collapsed-predictions
tasks: digits, blobs
source: rows 22 and 65
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler


def thin_out(x, y, shares):
    """Keep only a share of each class, as the world would have it."""
    keep = torch.rand(len(y)) < shares[y]
    return x[keep], y[keep]


def make_sampler(y):
    counts = torch.bincount(y)
    # fixed: weights = 1.0 / counts[y]
    weights = counts[y].double()  # sick here
    return WeightedRandomSampler(weights, num_samples=2 * len(y), replacement=True)


def balanced_accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        right = (model(x).argmax(1) == y).float()
    return torch.stack([right[y == c].mean() for c in y.unique()]).mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
shares = torch.full((task.outputs,), 1.0)
shares[::2] = 0.06
x, y = thin_out(task.x, task.y, shares)
loader = DataLoader(TensorDataset(x, y), batch_size=32, sampler=make_sampler(y))  # here
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
for epoch in range(8):
    model.train()
    for xb, yb in loader:  # here
        loss = nn.functional.cross_entropy(model(xb), yb)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
print(f"score {balanced_accuracy(model, task.x_held_out, task.y_held_out):.4f}")
