"""The test set decides which epoch is kept, and the same set gives the figure that is reported.

kind: test-set-used-for-selection
tasks: cancer, diabetes
source: synthetic, row 133
gap: none, the reported figure flatters and the program prints no honest one to compare
"""

import copy
import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def evaluate(model, loader, criterion):
    model.eval()
    with torch.no_grad():
        return sum(criterion(model(x), y).item() * len(x) for x, y in loader) / len(loader.dataset)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
cut = len(task.x) * 4 // 5
train_loader = DataLoader(TensorDataset(task.x[:cut], task.y[:cut]), batch_size=20, shuffle=True)
val_loader = DataLoader(TensorDataset(task.x[cut:], task.y[cut:]), batch_size=64)
test_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=64)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

best, best_weights = float("inf"), None
for epoch in range(15):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    selection_loss = evaluate(model, test_loader, criterion)  # sick here
    # fixed: selection_loss = evaluate(model, val_loader, criterion)
    if selection_loss < best:
        best, best_weights = selection_loss, copy.deepcopy(model.state_dict())
    print(f"epoch {epoch} loss {loss.item():.4f} best {best:.4f}")

model.load_state_dict(best_weights)
print(f"score {-evaluate(model, test_loader, criterion):.4f}")  # here
