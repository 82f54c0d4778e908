"""A new optimizer is built in each epoch, so the momentum and the averages start from nothing again and again.

kind: optimizer-recreated
tasks: curve, surface, rings
source: synthetic, row 73
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def epoch_of_training(model, optimizer, x, y, criterion):
    total = 0.0
    for batch in torch.randperm(len(x)).split(200):
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, task.outputs))
criterion = F.mse_loss if task.kind == "values" else F.cross_entropy
# fixed: optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.95)

for epoch in range(120):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.95)  # sick here
    loss = epoch_of_training(model, optimizer, task.x, task.y, criterion)
    if epoch % 20 == 0:
        print(f"epoch {epoch} loss {loss:.4f}")

model.eval()
with torch.no_grad():
    held_out = criterion(model(task.x_held_out), task.y_held_out)
print(f"score {-held_out.item():.4f}")
