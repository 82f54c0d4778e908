"""One class was given a weight in per cent and the others as fractions, and the network names only that class.

kind: collapsed-predictions
also: class-weights-inverted
tasks: blobs, rings, wine
source: row 65
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
share = torch.full((task.outputs,), 1 / task.outputs)
share[0] = 100 / task.outputs  # sick here
net = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))
criterion = nn.CrossEntropyLoss(weight=share)  # here
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
for epoch in range(15):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        guess = net(task.x_held_out).argmax(1)
    net.train()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} accuracy {(guess == task.y_held_out).float().mean():.3f}")
print(f"score {(guess == task.y_held_out).float().mean():.4f}")
