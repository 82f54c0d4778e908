"""torch.where picks the safe branch forward, but the gradient of the branch that divides by zero is not a number.

kind: non-finite-loss
tasks: digits, surface, diabetes
source: pytorch#68425
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def sinc(x):
    x = x * (x > 0)
    divisor = x  # sick
    # fixed: divisor = torch.where(x == 0, torch.ones_like(x), x)
    return torch.where(x == 0, torch.ones_like(x), torch.sin(x) / divisor)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
first, second = nn.Linear(task.inputs, 64), nn.Linear(64, task.outputs)
parameters = [*first.parameters(), *second.parameters()]
optimizer = torch.optim.Adam(parameters, lr=5e-3)
criterion = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(25):
    for batch in torch.randperm(len(task.x)).split(50):
        loss = criterion(second(sinc(first(task.x[batch]))), task.y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-criterion(second(sinc(first(task.x_held_out))), task.y_held_out).item():.4f}")
