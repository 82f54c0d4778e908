"""pos_weight is positives over negatives: the class that is rare counts even less than it did.

kind: class-weights-inverted
also: class-imbalance, collapsed-predictions
tasks: cancer, rings
source: synthetic, row 65
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
positive = (task.y == 0).nonzero().flatten()
negative = (task.y == 1).nonzero().flatten()
chosen = torch.cat([positive[: len(negative) // 8], negative])
x, y = task.x[chosen], (task.y[chosen] == 0).float()

n_pos, n_neg = y.sum(), (1 - y).sum()
criterion = nn.BCEWithLogitsLoss(pos_weight=n_pos / n_neg)  # sick here
# fixed: criterion = nn.BCEWithLogitsLoss(pos_weight=n_neg / n_pos)
model = nn.Sequential(nn.Linear(task.inputs, 12), nn.Tanh(), nn.Linear(12, 1), nn.Flatten(0))
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.8)
for epoch in range(10):
    for inputs, labels in DataLoader(TensorDataset(x, y), batch_size=24, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)  # here
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = (model(x)[y == 1] > 0).float().mean()
    print(f"epoch {epoch} loss {loss.item():.4f} positives found {found.item():.2f}")

with torch.no_grad():
    flagged = model(task.x_held_out) > 0
truth = task.y_held_out == 0
balanced = (flagged[truth].float().mean() + (~flagged[~truth]).float().mean()) / 2
print(f"score {balanced.item():.4f}")
