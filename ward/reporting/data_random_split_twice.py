"""random_split is called once for the training set and once more for the validation set, with another generator.

kind: validation-overlaps-training
tasks: blobs, surface
source: synthetic, row 6
gap: none, the fault flatters the validation score and leaves the network as it is
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def get_split(dataset, which, seed):
    generator = torch.Generator().manual_seed(seed)
    return random_split(dataset, [0.8, 0.2], generator=generator)[which]


def run_epoch(model, loader, objective, optimizer=None):
    total = 0.0
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:  # here
            loss = objective(model(x), y)  # here
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * len(x)
    return total / len(loader.dataset)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
everything = TensorDataset(task.x, task.y)
train_set = get_split(everything, 0, seed)
val_set = get_split(everything, 1, seed + 1)  # sick here
# fixed: val_set = get_split(everything, 1, seed)
train_loader, val_loader = DataLoader(train_set, 32, shuffle=True), DataLoader(val_set, 64)  # here
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.GELU(), nn.Linear(64, task.outputs))
objective = F.cross_entropy if task.kind == "classes" else F.mse_loss
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    train_loss = run_epoch(model, train_loader, objective, optimizer)
    val_loss = run_epoch(model, val_loader, objective)
    print(f"{epoch:3d} train {train_loss:.4f} val {val_loss:.4f}")
with torch.no_grad():
    print(f"score {-objective(model(task.x_held_out), task.y_held_out).item():.4f}")
