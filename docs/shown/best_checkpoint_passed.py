"""Training goes on long after the best validation loss, and the last weights are kept.

kind: best-checkpoint-passed
also: overfitting
tasks: diabetes
up: validation loss of the weights that are kept
across: epoch
shows: What the sick program keeps gets worse with every epoch; the healed one keeps the best of all so far.
"""

import copy

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task, shown = load("diabetes", 0), []
x, y, x_held_out, y_held_out = task.x[:150], task.y[:150], task.x[150:300], task.y[150:300]
model = nn.Sequential(nn.Linear(10, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
least, kept = float("inf"), copy.deepcopy(model.state_dict())
for epoch in range(60):
    model.train()
    for rows in torch.randperm(150).split(25):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        value = F.mse_loss(model(x_held_out), y_held_out).item()
    if value < least:
        least, kept = value, copy.deepcopy(model.state_dict())
    shown.append((epoch, value))  # sick
    # fixed: shown.append((epoch, least))
# fixed: model.load_state_dict(kept)
with torch.no_grad():
    print(F.mse_loss(model(x_held_out), y_held_out).item())
