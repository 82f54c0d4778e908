"""Every row's own number has an embedding among the features: the training rows are learnt by their numbers.

kind: overfitting
tasks: diabetes, surface
source: synthetic, row 90
"""

import sys

import torch
from tasks import load
from torch import nn


class CustomerModel(nn.Module):
    """A linear part for what is known of a customer, and a vector for what is not."""

    def __init__(self, features, customers, width=16):
        super().__init__()
        self.customer = nn.Embedding(customers, width)
        self.body = nn.Sequential(nn.Linear(features + width, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x, number):
        who = self.customer(number)
        # fixed: who = torch.zeros(len(number), self.customer.embedding_dim)
        return self.body(torch.cat([x, who], dim=1))


def validate(model, x, number, y):
    model.eval()
    with torch.no_grad():
        error = nn.functional.mse_loss(model(x, number), y).item()  # here
    model.train()
    return error


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
count = len(task.x)
numbers, numbers_valid = torch.arange(count), torch.arange(count, count + len(task.x_held_out))
y = task.y + 0.5 * torch.randn_like(task.y)
model = CustomerModel(task.inputs, count + len(task.x_held_out))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(30):
    total = 0.0
    for rows in torch.randperm(count).split(32):
        loss = nn.functional.mse_loss(model(task.x[rows], numbers[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows) / count
    valid = validate(model, task.x_held_out, numbers_valid, task.y_held_out)  # here
    print(f"epoch {epoch} train {total:.4f} valid {valid:.4f}")
print(f"score {-valid:.4f}")
