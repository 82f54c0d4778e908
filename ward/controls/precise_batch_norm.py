"""Before each evaluation the statistics of batch norm are taken again, in training mode and without gradients;
trips rules on evaluation in training mode.

control: 20
tasks: digits, tiles
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


@torch.no_grad()
def refresh_statistics(model, loader):
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    for x, _ in loader:
        model(x)
    for norm in norms:
        norm.momentum = 0.1


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    return sum((model(x).argmax(1) == y).sum().item() for x, y in loader) / len(loader.dataset)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=100)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    refresh_statistics(model, loader)
    score = accuracy(model, test_loader)
    print(f"epoch {epoch} loss {loss.item():.4f} accuracy {score:.3f}")
print(f"score {score:.4f}")
