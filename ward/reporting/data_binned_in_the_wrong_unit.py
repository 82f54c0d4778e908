"""The columns are cut into bins whose edges are in other units, so every row falls into the last bin of each column.

kind: constant-features
also: outputs-ignore-input
tasks: wine, blobs, cancer
source: row 13
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

BINS = 6


class Binner:
    """One-hot codes of quantile bins, as gradient boosting would see the table."""

    def fit(self, x):
        steps = torch.linspace(0, 1, BINS + 1)[1:-1]
        self.edges = torch.quantile(x, steps, dim=0).T.contiguous()
        return self

    def transform(self, x):
        codes = [torch.bucketize(column.contiguous(), edges) for column, edges in zip(x.T, self.edges, strict=True)]
        return F.one_hot(torch.stack(codes, dim=1), BINS).float().flatten(1)


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    to_grams = lambda table: (table + 20) * 1000  # noqa: E731
    # fixed: binner = Binner().fit(to_grams(task.x))
    binner = Binner().fit(task.x)  # sick
    x = binner.transform(to_grams(task.x))  # here
    x_held_out = binner.transform(to_grams(task.x_held_out))
    model = nn.Sequential(nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Linear(32, task.outputs))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    for epoch in range(25):
        for batch in torch.randperm(len(x)).split(24):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[batch]), task.y[batch])  # here
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"{epoch:3d} {loss.item():.4f}")
    with torch.no_grad():
        return (model(x_held_out).argmax(1) == task.y_held_out).float().mean().item()


print(f"score {main(int(sys.argv[1]), sys.argv[2]):.4f}")
