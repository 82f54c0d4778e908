"""ReduceLROnPlateau waits for the plateau that is its job to end; trips plateau and never-stepped rules.

control: ReduceLROnPlateau
tasks: curve, surface
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
cut = int(0.85 * len(task.x))
x_train, y_train, x_val, y_val = task.x[:cut], task.y[:cut], task.x[cut:], task.y[cut:]
net = nn.Sequential(nn.Linear(task.inputs, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.8)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=3)
loss_fn = nn.MSELoss()
for epoch in range(100):
    net.train()
    for rows in torch.randperm(cut).split(64):
        optimizer.zero_grad()
        loss = loss_fn(net(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        validation = loss_fn(net(x_val), y_val).item()
    scheduler.step(validation)
    if epoch % 10 == 0:
        print(
            f"epoch {epoch:3d} lr {scheduler.get_last_lr()[0]:.2e} train {loss.item():.4f} validation {validation:.4f}"
        )
    if scheduler.get_last_lr()[0] < 5e-3:
        break
with torch.no_grad():
    error = loss_fn(net(task.x_held_out), task.y_held_out) / task.y_held_out.var()
print(f"score {1 - error.item():.4f}")
