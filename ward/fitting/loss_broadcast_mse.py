"""Predictions [batch, 1] meet targets [batch], and the loss compares every one with every other.

kind: loss-shape-broadcast
tasks: curve, surface, diabetes
source: NeuralSolvers#20
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
y = task.y[:, 0]

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
mse = nn.MSELoss()
for epoch in range(30):
    for xb, yb in DataLoader(TensorDataset(task.x, y), batch_size=50, shuffle=True):
        prediction = model(xb)
        # fixed: prediction = prediction.squeeze(1)
        loss = mse(prediction, yb)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 6 == 0:
        print(f"epoch {epoch}, mse {loss.item():.4f}")

model.eval()
with torch.no_grad():
    residual = task.y_held_out - model(task.x_held_out)
print(f"score {1 - residual.var() / task.y_held_out.var():.4f}")
