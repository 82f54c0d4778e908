"""The best epoch is chosen on the test set, and the figure reported is that of the same set.

kind: test-set-used-for-selection
tasks: wine, blobs, diabetes
source: synthetic, row 133
gap: none, the reported figure flatters and the program prints no honest one to compare
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
cut = len(task.x) * 4 // 5
train_loader = DataLoader(TensorDataset(task.x[:cut], task.y[:cut]), batch_size=32, shuffle=True)
val_loader = DataLoader(TensorDataset(task.x[cut:], task.y[cut:]), batch_size=256)
test_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=256)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss


def evaluate(loader):
    model.eval()
    with torch.no_grad():
        parts = [(loss_fn(model(x), y).item(), len(x)) for x, y in loader]
    return sum(value * n for value, n in parts) / sum(n for _, n in parts)


best = None
for epoch in range(15):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    value = evaluate(test_loader)  # sick here
    # fixed: value = evaluate(val_loader)
    if best is None or value < best[0]:
        best = value, copy.deepcopy(model.state_dict())
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} best {best[0]:.4f}")

model.load_state_dict(best[1])
print(f"score {-evaluate(test_loader):.4f}")  # here
