"""The training table is standardised, the held-out one is left in its own units.

kind: validation-preprocessed-differently
tasks: cancer, wine, blobs
source: JeasunLok/ResNet#1
"""

import sys

import torch
from sklearn.preprocessing import StandardScaler
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def tables(task):
    """Measurements in the instrument's own units."""
    gain = torch.linspace(0.5, 6.0, task.inputs)
    offset = torch.linspace(-4.0, 9.0, task.inputs)
    return task.x * gain + offset, task.x_held_out * gain + offset


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_x, valid_x = tables(task)
scaler = StandardScaler()
train_x = torch.as_tensor(scaler.fit_transform(train_x.numpy())).float()
# fixed: valid_x = torch.as_tensor(scaler.transform(valid_x.numpy())).float()

net = nn.Sequential(nn.Linear(task.inputs, 40), nn.ELU(), nn.Linear(40, task.outputs))
optimizer = optim.Adam(net.parameters(), lr=5e-3)
ce = nn.CrossEntropyLoss()
train_batches = DataLoader(TensorDataset(train_x, task.y), batch_size=25, shuffle=True)
valid_batches = DataLoader(TensorDataset(valid_x, task.y_held_out), batch_size=50)  # here

for epoch in range(12):
    net.train()
    for x, y in train_batches:
        optimizer.zero_grad()
        loss = ce(net(x), y)
        loss.backward()
        optimizer.step()
    net.eval()
    hits = 0
    with torch.no_grad():
        for x, y in valid_batches:
            hits += (net(x).argmax(1) == y).sum().item()  # here
    if epoch % 3 == 0:
        print(f"[{epoch}] train loss {loss.item():.4f}, validation accuracy {hits / len(valid_x):.3f}")
print(f"score {hits / len(valid_x):.4f}")
