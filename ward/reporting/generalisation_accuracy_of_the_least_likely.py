"""The accuracy sorts the scores in rising order and takes the first: the class that is least likely.

kind: metric-contradicts-loss
tasks: digits, shapes
source: synthetic, row 130
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def top_k(scores, k=1):
    # fixed: return scores.argsort(dim=1, descending=True)[:, :k]
    return scores.argsort(dim=1)[:, :k]  # sick here


def evaluate(model, loader, criterion):
    model.eval()
    loss = hits = seen = 0.0
    with torch.no_grad():
        for x, y in loader:
            scores = model(x)
            loss += criterion(scores, y).item() * len(y)
            hits += (top_k(scores) == y[:, None]).any(dim=1).sum().item()  # here
            seen += len(y)
    model.train()
    return loss / seen, hits / seen


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=40, shuffle=True)
test_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=100)
model = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.ReLU(), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(8):
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    held_out, accuracy = evaluate(model, test_loader, criterion)
    print(f"epoch {epoch} loss {loss.item():.4f} held out {held_out:.4f} accuracy {accuracy:.4f}")
print(f"score {accuracy:.4f}")
