"""Plain SGD on an unscaled polynomial regression with a rate of 0.1: the loss explodes.

kind: learning-rate-too-high
also: exploding-gradients, non-finite-loss
tasks: curve, surface, diabetes
source: SO 48934338
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


def features(x):
    return torch.cat([x, x**2, x**3], dim=1)


model = nn.Linear(3 * task.inputs, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.4)  # sick here
# fixed: optimizer = torch.optim.SGD(model.parameters(), lr=0.004)

for epoch in range(30):
    for rows in torch.randperm(len(task.x)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(features(task.x[rows])), task.y[rows])
        loss.backward()
        optimizer.step()  # here
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    error = criterion(model(features(task.x_held_out)), task.y_held_out)
print(f"score {-error.item():.4f}")
