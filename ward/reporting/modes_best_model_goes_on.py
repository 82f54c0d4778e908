"""When the rate is lowered, training goes on from a copy of the best model, which was taken in eval mode.

kind: training-in-eval-mode
also: overfitting
tasks: diabetes
source: synthetic, row 96
"""

import copy
import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = task.x[:120], task.y[:120]
x_valid, y_valid = task.x[120:], task.y[120:]


def make():
    return nn.Sequential(
        nn.Linear(task.inputs, 160),
        nn.ReLU(),
        nn.Dropout(0.6),
        nn.Linear(160, 160),
        nn.ReLU(),
        nn.Dropout(0.6),
        nn.Linear(160, task.outputs),
    )


model, best_model, best_loss = make(), None, float("inf")
for stage, rate in enumerate((3e-3, 2e-3, 1e-3)):
    if best_model is not None:
        model, best_loss = best_model, float("inf")
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for epoch in range(25):
        # fixed: model.train()
        for rows in torch.randperm(len(x)).split(20):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()  # here
        snapshot = copy.deepcopy(model).eval()  # here
        with torch.no_grad():
            valid_loss = nn.functional.mse_loss(snapshot(x_valid), y_valid).item()
        if valid_loss < best_loss or epoch == 24:
            best_model, best_loss = snapshot, valid_loss
    print(f"stage {stage} rate {rate} best validation {best_loss:.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-nn.functional.mse_loss(model(task.x_held_out), task.y_held_out).item():.4f}")
