"""The targets cannot be negative, nor can the output, which passes through softplus; trips rules on final activations.

control: positive targets
tasks: curve, surface
score: 0.75
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
price, price_held_out = task.y.exp(), task.y_held_out.exp()
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 1))
model.append(nn.Softplus())
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(task.x[rows]), price[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} mse {loss.item():.4f}")
with torch.no_grad():
    error = (model(task.x_held_out) - price_held_out).var() / price_held_out.var()
print(f"score {1 - error.item():.4f}")
