"""A one-cycle schedule over all steps of the run is stepped once per epoch, so it never leaves its warmup.

kind: scheduler-wrong-frequency
also: learning-rate-too-low
tasks: digits, blobs, surface
source: synthetic, row 83
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(data.x, data.y), batch_size=64, shuffle=True)
net = nn.Sequential(nn.Linear(data.inputs, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, data.outputs))
criterion = nn.CrossEntropyLoss() if data.kind == "classes" else nn.MSELoss()
n_epochs = 12
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.OneCycleLR(  # here
    optimizer, max_lr=0.3, total_steps=n_epochs * len(loader), cycle_momentum=False
)

for epoch in range(n_epochs):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        # fixed: scheduler.step()
    scheduler.step()  # sick here
    print(f"epoch {epoch}: loss {loss.item():.4f}, rate {optimizer.param_groups[0]['lr']:.5f}")

with torch.no_grad():
    print(f"score {-criterion(net(data.x_held_out), data.y_held_out).item():.4f}")
