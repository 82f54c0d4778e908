"""One class is fifty times rarer than the others, and the network never names it.

kind: class-imbalance
also: collapsed-predictions
tasks: rings, blobs, digits
source: row 22
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
rare = (task.y == 0).nonzero().flatten()
kept = torch.cat([(task.y != 0).nonzero().flatten(), rare[: max(5, len(rare) // 50)]])
x, y = task.x[kept], task.y[kept]

weights = torch.ones(len(y))
# fixed: weights = 1 / torch.bincount(y)[y].float()
loader = DataLoader(TensorDataset(x, y), batch_size=32, sampler=WeightedRandomSampler(weights.tolist(), len(y)))  # here
model = nn.Sequential(nn.Linear(task.inputs, 24), nn.Tanh(), nn.Linear(24, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
criterion = nn.CrossEntropyLoss()


def recalls():
    model.eval()
    with torch.no_grad():
        guess = model(task.x_held_out).argmax(1)
    model.train()
    return torch.stack([(guess[task.y_held_out == c] == c).float().mean() for c in range(task.outputs)])


for epoch in range(15):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)  # here
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} recalls {[round(r, 2) for r in recalls().tolist()]}")
print(f"score {recalls().mean():.4f}")
