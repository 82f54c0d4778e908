"""The L1 penalty adds up the data of the weights, and no gradient comes from it.

kind: penalty-inert
tasks: diabetes, wine, cancer
source: row 64
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
target = task.y.float().reshape(-1, 1)
target_held_out = task.y_held_out.float().reshape(-1, 1)
noise, noise_held_out = torch.randn(len(task.x), 150), torch.randn(len(task.x_held_out), 150)
x, x_held_out = torch.cat([task.x, noise], 1), torch.cat([task.x_held_out, noise_held_out], 1)

linear = nn.Linear(x.shape[1], 1)
optimizer = torch.optim.Adam(linear.parameters(), lr=0.01)
mse = nn.MSELoss()
for step in range(600):
    batch = torch.randperm(len(x))[:64]
    penalty = linear.weight.data.abs().sum()  # sick here
    # fixed: penalty = linear.weight.abs().sum()
    loss = mse(linear(x[batch]), target[batch]) + 0.04 * penalty  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"{step} loss {loss.item():.4f} penalty {penalty.item():.3f}")

with torch.no_grad():
    left_over = mse(linear(x_held_out), target_held_out) / target_held_out.var()
print(f"score {1 - left_over.item():.4f}")
