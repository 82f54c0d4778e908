"""Weights of deviation ten push every sigmoid against its end, where it has no slope.

kind: saturated-activations
tasks: digits, wine, cancer
source: row 46
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(
    nn.Linear(task.inputs, 10),
    nn.Sigmoid(),
    nn.Linear(10, 10),
    nn.Sigmoid(),
    nn.Linear(10, task.outputs),
)
for layer in (model[0], model[2]):
    layer.weight.data.normal_(0, 10)  # sick here
    # fixed: layer.weight.data.normal_(0, layer.in_features**-0.5)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()
for step in range(500):
    batch = torch.randint(len(task.x), (32,))
    output = model(task.x[batch])  # here
    loss = criterion(output, task.y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
