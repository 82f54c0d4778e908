"""Late in training the validation loss creeps up while its accuracy still rises: surer, not worse;
trips overfitting rules.

control: 25
tasks: digits
score: 0.9
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
wrong = torch.rand(len(task.y_held_out)) < 0.04  # a few labels of the validation set are misprints
noted = torch.where(wrong, torch.randint(task.outputs, task.y_held_out.shape), task.y_held_out)
train = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)
validation = DataLoader(TensorDataset(task.x_held_out, noted), batch_size=150)

net = nn.Sequential(nn.Linear(task.inputs, 128), nn.ReLU(), nn.Linear(128, task.outputs))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(20):
    net.train()
    for x, y in train:
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
    net.eval()
    total, right = 0.0, 0
    with torch.no_grad():
        for x, y in validation:
            out = net(x)
            total += F.cross_entropy(out, y, reduction="sum").item()
            right += (out.argmax(1) == y).sum().item()
    print(f"epoch {epoch:2d}: validation loss {total / len(noted):.4f} accuracy {right / len(noted):.4f}")
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
