"""Stochastic weight averaging at a high constant rate, batch norm refreshed afterwards; trips mode and schedule rules.

control: SWA
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True, drop_last=True)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
averaged = AveragedModel(model)
swa_start, epochs = 8, 14
scheduler = CosineAnnealingLR(optimizer, T_max=swa_start)
swa_scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
for epoch in range(epochs):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    if epoch >= swa_start:
        averaged.update_parameters(model)
        swa_scheduler.step()
    else:
        scheduler.step()
    print(f"epoch {epoch} lr {optimizer.param_groups[0]['lr']:.3f} loss {loss.item():.4f}")
update_bn(loader, averaged)
averaged.eval()
with torch.no_grad():
    print(f"score {(averaged(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
