"""Cosine with warm restarts, stepped by fractions of an epoch: the rate jumps up and the loss with it;
trips rate-bounce rules.

control: 9
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=48, shuffle=True)
model = nn.Sequential(nn.Linear(task.inputs, 80), nn.ELU(), nn.Linear(80, task.outputs))
optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2, eta_min=1e-3)
iters = len(train_loader)
for epoch in range(14):
    for i, (x, y) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step(epoch + (i + 1) / iters)
    print(f"epoch {epoch} lr {optimizer.param_groups[0]['lr']:.4f} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    correct = (model(task.x_held_out).argmax(1) == task.y_held_out).sum().item()
print(f"score {correct / len(task.y_held_out):.4f}")
