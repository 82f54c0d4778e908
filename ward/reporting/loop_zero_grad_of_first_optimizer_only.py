"""Encoder and head have an optimizer each, and the loop clears the gradients of the head alone.

kind: missing-zero-grad
tasks: digits, blobs
source: synthetic, row 67
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
encoder = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
head = nn.Linear(32, task.outputs)
opt_encoder = torch.optim.SGD(encoder.parameters(), lr=0.1, momentum=0.9)
opt_head = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)

for epoch in range(8):
    for i, (x, y) in enumerate(train_loader):
        # fixed: opt_encoder.zero_grad()
        opt_head.zero_grad()
        loss = criterion(head(encoder(x)), y)
        loss.backward()  # here
        opt_encoder.step()  # here
        opt_head.step()
        if i % 20 == 0:
            print(f"[{epoch}, {i:4d}] loss: {loss.item():.4f}")

with torch.no_grad():
    logits = head(encoder(task.x_held_out))
print(f"score {-criterion(logits, task.y_held_out).nan_to_num(nan=99.0).clamp(max=99).item():.4f}")
