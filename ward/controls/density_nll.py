"""A network that predicts its own noise: the negative log-likelihood falls below zero, as densities may;
trips negative-loss rules.

control: 16
tasks: curve
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import nn


class Gaussian(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.mean = nn.Linear(64, 1)
        self.log_deviation = nn.Linear(64, 1)

    def forward(self, x):
        h = self.trunk(x)
        return torch.distributions.Normal(self.mean(h), self.log_deviation(h).clamp(-5, 3).exp())


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Gaussian(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
for epoch in range(40):
    for rows in torch.randperm(len(task.x)).split(50):
        loss = -model(task.x[rows]).log_prob(task.y[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
    scheduler.step()
    if epoch % 8 == 0:
        print(f"epoch {epoch} nll {loss.item():+.4f}")
model.eval()
with torch.no_grad():
    error = (model(task.x_held_out).mean - task.y_held_out).square().mean() / task.y_held_out.var()
print(f"score {1 - error.item():.4f}")
