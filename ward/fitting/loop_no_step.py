"""The loss is computed and differentiated in each iteration, but the optimizer never takes a step.

kind: missing-optimizer-step
also: weights-never-updated
tasks: digits, wine, cancer
source: synthetic, row 69
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)

net = nn.Sequential(nn.Linear(task.inputs, 32), nn.LeakyReLU(), nn.Linear(32, task.outputs))
loss_function = nn.CrossEntropyLoss()
optimizer = optim.RMSprop(net.parameters(), lr=1e-3)

for epoch in range(10):
    epoch_loss = 0.0
    for features, labels in loader:
        optimizer.zero_grad()  # here
        loss = loss_function(net(features), labels)
        loss.backward()  # here
        # fixed: optimizer.step()
        epoch_loss += loss.item()
    print(f"Epoch {epoch + 1} loss: {epoch_loss / len(loader):.3f}")

net.eval()
with torch.no_grad():
    correct = (net(task.x_held_out).argmax(dim=1) == task.y_held_out).sum().item()
print(f"score {correct / len(task.y_held_out):.4f}")
