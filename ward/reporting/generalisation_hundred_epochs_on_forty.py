"""Forty noisy rows are learnt for a hundred epochs, long after the validation loss has turned.

kind: overfitting
also: best-checkpoint-passed, overconfident
tasks: diabetes, topics
source: synthetic, row 90
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 100
PATIENCE = 1000  # sick
# fixed: PATIENCE = 3

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train = DataLoader(TensorDataset(task.x[:60], task.y[:60]), batch_size=10, shuffle=True)
val = DataLoader(TensorDataset(task.x[60:260], task.y[60:260]), batch_size=100)
model = nn.Sequential(nn.Linear(task.inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
model.append(nn.Linear(128, task.outputs))
criterion = nn.BCEWithLogitsLoss() if task.kind == "several" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # here

best_loss, waited = float("inf"), 0
for epoch in range(EPOCHS):
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = sum(criterion(model(x), y).item() for x, y in val) / len(val)  # here
    if epoch % 10 == 0:
        print(f"epoch {epoch} train {loss.item():.4f} val {val_loss:.4f}")
    if val_loss < best_loss:
        best_loss, waited = val_loss, 0
    else:
        waited += 1
    if waited >= PATIENCE:
        print("early stop at", epoch)
        break

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
