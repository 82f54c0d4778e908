"""The rate is computed with an integer division and is exactly zero.

kind: weights-never-updated
also: learning-rate-too-low
tasks: digits, cancer, wine
source: synthetic, row 82
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)

batch_size = 32
base_lr = 2
lr = base_lr * batch_size // 256  # sick here
# fixed: lr = base_lr * batch_size / 256

model = nn.Sequential(nn.Linear(task.inputs, 40), nn.Tanh(), nn.Linear(40, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=lr)  # here
criterion = nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=batch_size, shuffle=True)

for epoch in range(8):
    for x, y in loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # here
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    hits = model(task.x_held_out).argmax(1).eq(task.y_held_out).float().mean().item()
print(f"score {hits:.4f}")
