"""Class weights are the shares of the classes, where they should be their inverse.

kind: class-weights-inverted
also: class-imbalance, collapsed-predictions
tasks: rings, blobs, digits
source: row 65
"""

import sys

import torch
from tasks import load
from torch import nn


def thin_out(x, y):
    """Class 1 is rare in the survey."""
    kept = (y != 1) | (torch.rand(len(y)) < 0.1)
    return x[kept], y[kept]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = thin_out(task.x, task.y)
count = torch.bincount(y, minlength=task.outputs).float()
weight = count / count.sum()  # sick here
# fixed: weight = count.sum() / (task.outputs * count)

model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))
loss_fn = nn.CrossEntropyLoss(weight=weight)  # here
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(250):
    i = torch.randint(len(x), (64,))
    loss = loss_fn(model(x[i]), y[i])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step} weighted loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    guess = model(task.x_held_out).argmax(1)
recalls = [(guess[task.y_held_out == c] == c).float().mean() for c in range(task.outputs)]
print(f"score {torch.stack(recalls).mean():.4f}")
