"""zero_grad stands in the micro-batch loop, so only the last micro-batch of each step counts.

kind: zero-grad-inside-accumulation
tasks: digits, blobs, cancer
source: opacus#93
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=8, shuffle=True, drop_last=True)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, task.outputs))
criterion = nn.CrossEntropyLoss(reduction="mean")
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
k = 8

for epoch in range(6):
    for i, (data, target) in enumerate(loader):
        optimizer.zero_grad()  # sick here
        loss = criterion(model(data), target) / k
        loss.backward()
        if (i + 1) % k == 0:
            optimizer.step()  # here
            # fixed: optimizer.zero_grad()
    print(f"epoch {epoch + 1} loss {loss.item() * k:.4f}")

model.eval()
with torch.no_grad():
    loss = criterion(model(task.x_held_out), task.y_held_out)
print(f"score {-loss.item():.4f}")
