"""Weights in half precision under RMSprop with its usual epsilon, which half precision cannot tell from zero.

kind: epsilon-wrong-for-dtype
also: non-finite-loss
tasks: digits, tiles, cancer
source: pytorch#147437
"""

import sys

import torch
from tasks import load
from torch import nn


class Denoiser(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.down = nn.Linear(width, 32)
        self.up = nn.Linear(32, width)

    def forward(self, x):
        return self.up(torch.relu(self.down(x)))


def half_model(width):
    return Denoiser(width).half()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_test = task.x.flatten(1).half(), task.x_held_out.flatten(1).half()
model = half_model(x.shape[1])
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, eps=1e-8)  # sick here
# fixed: optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, eps=1e-3)
for step in range(150):
    batch = x[torch.randint(len(x), (32,))]
    noisy = batch + 0.3 * torch.randn_like(batch)
    loss = nn.functional.mse_loss(model(noisy).float(), batch.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
    if step % 30 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-nn.functional.mse_loss(model(x_test).float(), x_test.float()):.4f}")
