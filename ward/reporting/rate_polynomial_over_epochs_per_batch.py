"""A polynomial decay over the number of epochs is stepped per batch: the rate is zero before the first epoch ends.

kind: scheduler-wrong-frequency
also: learning-rate-too-low, weights-never-updated
tasks: counts, digits
source: synthetic, row 83
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.optim import lr_scheduler

EPOCHS, BATCH = 10, 40


class MeanPool(nn.Module):
    def __init__(self, vocab, dim=16):
        super().__init__()
        self.bag = nn.EmbeddingBag(vocab, dim, mode="mean")

    def forward(self, ids):
        return self.bag(ids)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
front = MeanPool(task.inputs) if task.kind == "sequences" else nn.Linear(task.inputs, 16)
model = nn.Sequential(front, nn.Tanh(), nn.Linear(16, task.outputs))
optimizer = optim.AdamW(model.parameters(), lr=1e-2)
scheduler = lr_scheduler.PolynomialLR(optimizer, total_iters=EPOCHS, power=1.0)  # sick here
# fixed: scheduler = lr_scheduler.PolynomialLR(optimizer, total_iters=EPOCHS * -(-len(task.x) // BATCH), power=1.0)

for epoch in range(EPOCHS):
    for rows in torch.randperm(len(task.x)).split(BATCH):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
        scheduler.step()  # here
    print(f"epoch {epoch}: loss {loss.item():.4f}, rate {optimizer.param_groups[0]['lr']:.2e}")

with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
