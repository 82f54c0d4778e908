"""A plain, well-made classifier: shuffled batches, Adam, one evaluation at the end (no validation curve to judge by).

control: plain MLP
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

seed, task = int(sys.argv[1]), load(sys.argv[2], int(sys.argv[1]))
torch.manual_seed(seed)

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, task.outputs))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for step in range(400):
    batch = torch.randint(len(task.x), (64,))
    optimizer.zero_grad()
    loss = criterion(model(task.x[batch]), task.y[batch])
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    accuracy = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
print(f"score {accuracy:.4f}")
