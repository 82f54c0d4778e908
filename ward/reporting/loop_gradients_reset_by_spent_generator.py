"""Gradients are set to None by going over a generator of parameters, which the optimizer has already used up.

kind: missing-zero-grad
tasks: digits, shapes
source: row 67
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)

model = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.ReLU(), nn.Linear(64, task.outputs))
# fixed: parameters = list(model.parameters())
parameters = model.parameters()  # sick here
optimizer = torch.optim.SGD(parameters, lr=0.2)
criterion = nn.CrossEntropyLoss()


def reset_gradients():
    for parameter in parameters:
        parameter.grad = None


for epoch in range(8):
    losses = []
    for rows in torch.randperm(len(task.x)).split(40):
        reset_gradients()  # here
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()  # here
        optimizer.step()  # here
        losses.append(loss.item())
    print(f"epoch {epoch} mean loss {sum(losses) / len(losses):.4f}")

model.eval()
with torch.no_grad():
    held_out = criterion(model(task.x_held_out), task.y_held_out).item()
print(f"score {-min(held_out, 10.0):.4f}")
