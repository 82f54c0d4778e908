"""A filter that shall drop columns without variance keeps just those.

kind: constant-features
also: outputs-ignore-input
tasks: wine, cancer
source: synthetic, row 13
"""

import sys

import torch
from tasks import load
from torch import nn


class VarianceFilter:
    """Keeps the columns that vary."""

    def __init__(self, threshold=0.05):
        self.threshold = threshold

    def fit(self, x):
        self.kept = x.var(dim=0) <= self.threshold  # sick here
        # fixed: self.kept = x.var(dim=0) > self.threshold
        return self

    def transform(self, x):
        return x[:, self.kept]


def with_book_keeping(x):
    """Append the columns that every export of the laboratory has: site, protocol, instrument and unit."""
    return torch.cat([x, torch.tensor([1.0, 0.4, -0.7, 1.3]).expand(len(x), 4)], dim=1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
columns = VarianceFilter().fit(with_book_keeping(task.x))
x, x_test = columns.transform(with_book_keeping(task.x)), columns.transform(with_book_keeping(task.x_held_out))

classifier = nn.Sequential(nn.Linear(x.shape[1], 40), nn.SiLU(), nn.Linear(40, task.outputs))
optimizer = torch.optim.RMSprop(classifier.parameters(), lr=2e-3)
loss_function = nn.CrossEntropyLoss()
for epoch in range(25):
    for rows in torch.randperm(len(x)).split(20):
        logits = classifier(x[rows])  # here
        loss = loss_function(logits, task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.3f}")

with torch.inference_mode():
    print(f"score {(classifier(x_test).argmax(1) == task.y_held_out).float().mean():.4f}")
