"""The small classes are repeated first and the table is split afterwards, so copies of one row lie on both sides.

kind: validation-overlaps-training
tasks: cancer, wine
source: synthetic, row 6
gap: none, the fault flatters the validation score and leaves the network much as it is
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)

counts = torch.bincount(task.y)
rows = torch.cat(
    [
        (task.y == c).nonzero().flatten()[torch.randint(int(counts[c]), (2 * int(counts.max()),))]  # sick
        # fixed: (task.y == c).nonzero().flatten()
        for c in range(task.outputs)
    ]
)
balanced = TensorDataset(task.x[rows], task.y[rows])
n_valid = len(balanced) // 5
train_set, valid_set = random_split(balanced, [len(balanced) - n_valid, n_valid])  # here
train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=64)  # here

model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, task.outputs))
optimizer = optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(15):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in valid_loader)  # here
    print(f"epoch {epoch} valid acc {hits / n_valid:.3f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
