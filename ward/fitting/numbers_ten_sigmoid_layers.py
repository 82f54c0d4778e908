"""Ten layers of sigmoids: the gradient of the first ones is too small to train them.

kind: vanishing-gradients
also: saturated-activations, underfitting, outputs-ignore-input, learning-rate-too-low
tasks: digits, blobs, rings
source: synthetic, sigmoid 10-deep vanishing
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
activation = nn.Sigmoid  # sick
# fixed: activation = nn.ReLU
layers = [nn.Linear(task.inputs, 32), activation()]  # here
for _ in range(9):
    layers += [nn.Linear(32, 32), activation()]  # here
net = nn.Sequential(*layers, nn.Linear(32, task.outputs))
for layer in net:
    if isinstance(layer, nn.Linear):
        nn.init.kaiming_normal_(layer.weight)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)

for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(net(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
