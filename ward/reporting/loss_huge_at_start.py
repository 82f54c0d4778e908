"""The output layer starts with weights of deviation ten, and the first loss is far above guessing.

kind: initial-loss-too-high
tasks: digits, blobs, cancer
source: SO 48385830
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, task.outputs))
nn.init.normal_(model[2].weight, std=10.0)  # sick here
# fixed: nn.init.normal_(model[2].weight, std=0.1)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
for epoch in range(90 // len(loader)):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch} {total / len(loader):.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out):.4f}")
