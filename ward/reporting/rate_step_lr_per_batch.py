"""StepLR is meant to divide the rate by ten every six epochs, but steps with each batch: the rate is gone in the first.

kind: scheduler-wrong-frequency
also: learning-rate-too-low
tasks: digits, wine, tiles
source: synthetic, row 83
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(TensorDataset(task.x.flatten(1), task.y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(task.x[0].numel(), 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = StepLR(optimizer, step_size=6, gamma=0.1)  # here
loss_fn = nn.CrossEntropyLoss()


def train(epoch):
    model.train()
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(data), target)
        loss.backward()
        optimizer.step()
        scheduler.step()  # sick here
    # fixed: scheduler.step()
    print(f"Train Epoch: {epoch}\tLoss: {loss.item():.6f}")


for epoch in range(1, 13):
    train(epoch)
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out.flatten(1)).argmax(1) == task.y_held_out).float().mean().item():.4f}")
