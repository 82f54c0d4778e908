"""A trained net kept up to date at a rate of 1e-7 on purpose: the weights barely move;
trips never-updated and rate-too-low.

control: 24
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, task.outputs))
criterion = nn.CrossEntropyLoss()


def epoch_of(optimizer, size):
    losses = []
    for rows in torch.randperm(len(task.x)).split(size):
        optimizer.zero_grad()
        loss = criterion(net(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


main_optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(max(10, 8000 // len(task.x))):
    mean = epoch_of(main_optimizer, 32)
    if epoch % 5 == 0:
        print(f"training {epoch}: {mean:.4f}")

upkeep = torch.optim.Adam(net.parameters(), lr=1e-7)
for day in range(4):
    print(f"upkeep, day {day}: {epoch_of(upkeep, 32):.4f}")
net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
