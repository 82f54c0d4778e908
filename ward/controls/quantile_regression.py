"""Three quantiles [batch, 3] are compared with targets [batch, 1] by the pinball loss: the broadcast is meant;
trips rules on shapes.

control: 21
tasks: surface, curve
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

LEVELS = torch.tensor([0.1, 0.5, 0.9])


def pinball(quantiles, y):
    error = y - quantiles
    return torch.maximum(LEVELS * error, (LEVELS - 1) * error).mean()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = pinball(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} pinball {loss.item():.4f}")
with torch.no_grad():
    median = model(task.x_held_out)[:, 1:2]
print(f"score {1 - (median - task.y_held_out).var().item() / task.y_held_out.var().item():.4f}")
