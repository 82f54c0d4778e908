"""After the optimizer is built an initialisation function gives each layer a new weight, which the optimizer lacks.

kind: parameter-rebound
also: parameters-not-in-optimizer
tasks: digits, curve, surface
source: pytorch#14467
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def initialise(module):
    if isinstance(module, nn.Linear):
        fresh = torch.randn_like(module.weight) * module.in_features**-0.5
        module.weight = nn.Parameter(fresh)  # sick here
        # fixed: module.weight.data.copy_(fresh)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)  # here
model.apply(initialise)  # here
loss_of = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(15):
    for idx in torch.randperm(len(task.x)).split(32):
        loss = loss_of(model(task.x[idx]), task.y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # here
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-loss_of(model(task.x_held_out), task.y_held_out).item():.4f}")
