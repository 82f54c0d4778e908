"""The update function builds its own Adam, so each step is the first one: the sign of the gradient times the rate.

kind: optimizer-recreated
tasks: surface, digits, curve
source: synthetic, row 73
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
policy = nn.Sequential(nn.Linear(data.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, data.outputs))
objective = F.cross_entropy if data.kind == "classes" else F.mse_loss
# fixed: optimizer = torch.optim.Adam(policy.parameters(), lr=8e-3)


def update(x, y):
    optimizer = torch.optim.Adam(policy.parameters(), lr=8e-3)  # sick here
    loss = objective(policy(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


for step in range(500):
    rows = torch.randint(len(data.x), (32,))
    loss = update(data.x[rows], data.y[rows])
    if step % 100 == 0:
        print(f"step {step} loss {loss:.4f}")

with torch.no_grad():
    print(f"score {-objective(policy(data.x_held_out), data.y_held_out).item():.4f}")
