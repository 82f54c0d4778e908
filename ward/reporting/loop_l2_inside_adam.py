"""Weight decay goes through Adam's own scaling, where it acts as a strong L2 penalty; AdamW was meant.

kind: l2-inside-adam
also: weight-decay-too-strong
tasks: digits, curve, surface
source: synthetic, row 74
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.optim import Adam, AdamW  # noqa: F401

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(data.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, data.outputs))
optimizer = Adam(net.parameters(), lr=2e-3, weight_decay=0.1)  # sick here
# fixed: optimizer = AdamW(net.parameters(), lr=2e-3, weight_decay=0.1)
objective = F.cross_entropy if data.kind == "classes" else F.mse_loss

for epoch in range(25):
    for batch in torch.randperm(len(data.x)).split(50):
        optimizer.zero_grad()
        loss = objective(net(data.x[batch]), data.y[batch])
        loss.backward()
        optimizer.step()
    if epoch % 6 == 0:
        print(f"epoch {epoch}, loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-objective(net(data.x_held_out), data.y_held_out).item():.4f}")
