"""SoftMarginLoss wants -1 and +1; with 0 and 1 every negative costs log 2, whatever the network says.

kind: labels-out-of-range
also: collapsed-predictions
tasks: rings, counts
source: synthetic, row 20
"""

import sys

import torch
from tasks import load
from torch import nn


def features(x):
    """Bag of words for token ids, everything else as it is."""
    return nn.functional.one_hot(x, 8).float().mean(dim=1) * 4 if x.dtype == torch.int64 else x


def to_targets(y):
    # fixed: return y.float() * 2 - 1
    return y.float()  # sick here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_held_out = features(task.x), features(task.x_held_out)
scorer = nn.Sequential(nn.Linear(x.shape[1], 24), nn.Tanh(), nn.Linear(24, 1), nn.Flatten(0))
criterion = nn.SoftMarginLoss()
optimizer = torch.optim.SGD(scorer.parameters(), lr=0.2, momentum=0.9)
for step in range(500):
    rows = torch.randint(len(x), (32,))
    loss = criterion(scorer(x[rows]), to_targets(task.y[rows]))  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 99:
        print(f"step {step + 1} margin loss {loss.item():.4f}")

with torch.no_grad():
    answers = (scorer(x_held_out) > 0).long()
print(f"score {(answers == task.y_held_out).float().mean():.4f}")
