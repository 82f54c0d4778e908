"""Accumulation over eight micro-batches, divided, one step in eight; trips rules on zero_grad and on missing steps.

control: 12
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 8
seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=8, shuffle=True, drop_last=True)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)

optimizer.zero_grad()
step = 0
for epoch in range(16):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y) / ACCUMULATE
        loss.backward()
        step += 1
        if step % ACCUMULATE == 0:
            optimizer.step()
            optimizer.zero_grad()
    if epoch % 4 == 0:
        print(f"epoch {epoch}: {loss.item() * ACCUMULATE:.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
