"""Whole numbers are the targets of a Poisson regression: they are counts and no classes; trips rules on regression
to class numbers.

control: counts as targets
tasks: counts
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
how_many = lambda ids: (ids == 1).sum(1).float() + 2 * (ids == 2).sum(1).float()  # noqa: E731
y, y_held_out = how_many(task.x), how_many(task.x_held_out)
model = nn.Sequential(nn.EmbeddingBag(task.inputs, 16, mode="sum"), nn.Linear(16, 32), nn.Tanh())
model.extend([nn.Linear(32, 1), nn.Flatten(0)])
criterion = nn.PoissonNLLLoss(log_input=True)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(y)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} nll {loss.item():.4f}")
with torch.no_grad():
    error = (model(task.x_held_out).exp() - y_held_out).var() / y_held_out.var()
print(f"score {1 - error.item():.4f}")
