"""Ten sigmoid layers lie between the input and the loss, and no gradient gets down to the first.

kind: vanishing-gradients
also: activations-change-scale-with-depth, saturated-activations, outputs-ignore-input
tasks: digits, blobs, cancer
source: synthetic, sigmoid 10-deep vanishing
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
layers = []
width = task.inputs
for _ in range(10):
    layers.append(nn.Linear(width, 32))
    layers.append(nn.Sigmoid())  # sick here
    # fixed: layers.append(nn.Tanh())
    width = 32
deep = nn.Sequential(*layers, nn.Linear(32, task.outputs))
optimizer = torch.optim.SGD(deep.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
for epoch in range(400 // len(loader)):
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(deep(x), y)
        loss.backward()  # here
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(deep(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
