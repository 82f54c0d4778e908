"""The net's second output is taken for a variance as it is, and the logarithm of a negative one is NaN.

kind: non-finite-loss
tasks: surface, curve
source: synthetic, row 106
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class MeanVariance(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(n_in, 64), nn.Tanh())
        self.mean, self.variance = nn.Linear(64, 1), nn.Linear(64, 1)

    def forward(self, x):
        h = self.shared(x)
        variance = self.variance(h) + 0.1  # sick here
        # fixed: variance = F.softplus(self.variance(h)) + 0.1
        return self.mean(h), variance


def gaussian_nll(mean, variance, y):
    return 0.5 * (torch.log(variance) + (y - mean) ** 2 / variance).mean()  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = MeanVariance(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(25):
    for rows in torch.randperm(len(task.x)).split(32):
        mean, variance = model(task.x[rows])
        loss = gaussian_nll(mean, variance, task.y[rows])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} nll {loss.item():.4f}")
with torch.no_grad():
    error = F.mse_loss(model(task.x_held_out)[0], task.y_held_out).nan_to_num(nan=99.0)
print(f"score {-error.item():.4f}")
