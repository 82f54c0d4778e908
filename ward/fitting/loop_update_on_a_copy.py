"""The hand-written update makes new tensors under a loop variable instead of writing into the weights.

kind: weights-never-updated
also: parameter-rebound, missing-optimizer-step
tasks: digits, blobs, wine
source: synthetic, row 123
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
data = load(sys.argv[2], int(sys.argv[1]))
model = nn.Sequential(nn.Linear(data.inputs, 60), nn.Sigmoid(), nn.Linear(60, data.outputs))
criterion = nn.CrossEntropyLoss()
learning_rate = 0.5

for epoch in range(30):
    for batch in torch.randperm(len(data.x)).split(50):
        loss = criterion(model(data.x[batch]), data.y[batch])
        model.zero_grad()
        loss.backward()  # here
        with torch.no_grad():
            for w in model.parameters():
                w = w - learning_rate * w.grad  # sick here
                # fixed: w -= learning_rate * w.grad
    if epoch % 10 == 0:
        print(f"epoch {epoch}, loss {loss.item():.4f}")

with torch.no_grad():
    right = (model(data.x_held_out).argmax(dim=1) == data.y_held_out).sum().item()
print(f"score {right / data.y_held_out.numel():.4f}")
