"""Missing measurements are NaN in the table, and nothing fills them in.

kind: non-finite-input
also: non-finite-loss
tasks: cancer, wine, diabetes
source: row 2
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
labels = task.y if task.kind == "classes" else (task.y[:, 0] > 0).long()
held_out_labels = task.y_held_out if task.kind == "classes" else (task.y_held_out[:, 0] > 0).long()


def survey(x):
    """One answer in five hundred was never given."""
    return torch.where(torch.rand_like(x) < 0.002, torch.nan, x)


table, held_out = survey(task.x), survey(task.x_held_out)
# fixed: table, held_out = torch.nan_to_num(table, nan=0.0), torch.nan_to_num(held_out, nan=0.0)

mlp = nn.Sequential(nn.Linear(task.inputs, 32), nn.Tanh(), nn.Linear(32, max(task.outputs, 2)))
trainer = torch.optim.Adagrad(mlp.parameters(), lr=0.05)
cross_entropy = nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(table, labels), batch_size=16, shuffle=True)  # here
for epoch in range(15):
    running = 0.0
    for rows, target in loader:
        trainer.zero_grad()
        loss = cross_entropy(mlp(rows), target)  # here
        loss.backward()
        trainer.step()
        running += loss.item()
    if epoch % 5 == 0:
        print(f"epoch {epoch} mean loss {running / len(loader):.4f}")

mlp.eval()
with torch.no_grad():
    right = (mlp(held_out).argmax(1) == held_out_labels).float().mean()
print(f"score {right:.4f}")
