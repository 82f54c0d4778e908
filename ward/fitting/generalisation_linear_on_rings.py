"""A linear classifier cannot tell one ring from the other and never gets below the constant predictor.

kind: underfitting
also: no-nonlinearity
tasks: rings
source: synthetic, row 91
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(task.inputs, task.outputs))  # sick here
# fixed: model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)

for epoch in range(15):
    running = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
        running += loss.item() * len(x)
    if epoch % 3 == 0:
        print(f"epoch {epoch}: {running / len(task.x):.4f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
