"""The optimizer is given the frozen encoder instead of the head, and only batch norm's statistics move.

kind: parameters-frozen
also: parameters-not-in-optimizer, weights-never-updated
tasks: digits, blobs, wine
source: forum 84911
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


class Transfer(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(task.inputs, 96), nn.BatchNorm1d(96), nn.ReLU())
        self.head = nn.Linear(96, task.outputs)

    def forward(self, x):
        return self.head(self.encoder(x))


model = Transfer()
for p in model.encoder.parameters():
    p.requires_grad_(False)  # here
optimizer = torch.optim.SGD(model.encoder.parameters(), lr=0.1, momentum=0.9)  # sick here
# fixed: optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()  # here
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
