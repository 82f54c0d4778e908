"""The root of each batch's mean error is averaged over batches, the last of which is a single odd row.

kind: batch-means-averaged
tasks: surface, diabetes
source: mlcommons/training#89
gap: none, only the reported loss is wrong
unseen: the losses have left torch as plain numbers by the time that they are averaged
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Meter:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def update(self, value, n=1):
        self.total += value * n
        self.count += n

    @property
    def mean(self):
        return self.total / max(self.count, 1)


def evaluate(model, loader):
    meter = Meter()
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            error = nn.functional.mse_loss(model(x), y).item()  # here
            # fixed: meter.update(error, len(x))
            meter.update(error)  # sick here
    model.train()
    return meter.mean**0.5


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
odd = task.y_held_out.abs().argmax()
order = torch.cat([torch.arange(odd), torch.arange(odd + 1, len(task.y_held_out)), odd[None]])
size = (len(order) - 1) // 3
test = TensorDataset(task.x_held_out[order][-3 * size - 1 :], task.y_held_out[order][-3 * size - 1 :])
test_loader = DataLoader(test, batch_size=size)
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    for x, y in train_loader:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f} test error {evaluate(model, test_loader):.4f}")
print(f"score {-evaluate(model, test_loader):.4f}")
