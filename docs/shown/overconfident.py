"""A wide network learns some samples by heart, and goes on getting surer of them.

kind: overconfident
also: overfitting
tasks: blobs
up: mean largest probability minus accuracy, held out
across: epoch
shows: Above zero a network is surer than it is right; labels that are smoothed by 0.3 keep the healed one below.
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task, shown = load("blobs", 0), []
x, y = task.x[:100], task.y[:100]
x_held_out, y_held_out = task.x[100:], task.y[100:]
model = nn.Sequential(nn.Linear(8, 100), nn.ReLU(), nn.Linear(100, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
smoothing = 0.0  # sick
# fixed: smoothing = 0.3
for epoch in range(40):
    model.train()
    for rows in torch.randperm(100).split(20):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows], label_smoothing=smoothing)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(x_held_out)
        loss = F.cross_entropy(logits, y_held_out)
        right = (logits.argmax(1) == y_held_out).float().mean().item()
        shown.append((epoch, logits.softmax(1).amax(1).mean().item() - right))
