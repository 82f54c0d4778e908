"""Nobody calls eval() before the validation loop, and its losses choose the checkpoint that is kept.

kind: evaluating-in-train-mode
tasks: diabetes, curve, surface
source: deep-learning-v2 (udacity)#3
gap: none, the choice of the checkpoint is a little worse at most
"""

import copy
import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
cut = len(data.x) * 3 // 4
trainloader = DataLoader(TensorDataset(data.x[:cut], data.y[:cut]), batch_size=32, shuffle=True)
validloader = DataLoader(TensorDataset(data.x[cut:], data.y[cut:]), batch_size=32)
model = nn.Sequential(nn.Linear(data.inputs, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1))
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.003)
best, best_state = float("inf"), copy.deepcopy(model.state_dict())

for e in range(20):
    # fixed: model.train()
    for inputs, targets in trainloader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
    # fixed: model.eval()
    with torch.no_grad():  # here
        valid_loss = sum(criterion(model(i), t).item() for i, t in validloader) / len(validloader)  # here
    if valid_loss < best:
        best, best_state = valid_loss, copy.deepcopy(model.state_dict())
    if e % 5 == 0:
        print(f"Epoch {e + 1}: train {loss.item():.3f} valid {valid_loss:.3f}")

model.load_state_dict(best_state)
model.eval()
with torch.no_grad():
    print(f"score {-criterion(model(data.x_held_out), data.y_held_out).item():.4f}")
