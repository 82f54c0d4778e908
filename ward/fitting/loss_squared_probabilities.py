"""Probabilities and one-hot classes are compared by their squared distance.

kind: regression-loss-for-classes
tasks: digits, blobs, shapes
source: SO 38648195
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, nn.functional.one_hot(task.y).float()), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 40), nn.Tanh(), nn.Linear(40, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
mse = nn.MSELoss()

for epoch in range(300 // len(loader)):
    for x, one_hot in loader:
        logits = model(x)
        loss = mse(logits.softmax(dim=1), one_hot)  # sick here
        # fixed: loss = nn.functional.cross_entropy(logits, one_hot)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} {loss.item():.4f}")

with torch.no_grad():
    accuracy = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
print(f"score {accuracy:.4f}")
