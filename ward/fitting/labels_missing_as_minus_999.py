"""Missing targets were written as -999 by the logger, and the squared error is all about them.

kind: outliers-dominate-loss
also: targets-not-scaled
tasks: surface, curve
source: synthetic, row 26
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
targets = task.y.clone()
targets[torch.rand(len(targets)) < 0.03] = -999.0
valid = torch.ones(len(targets), dtype=torch.bool)  # sick
# fixed: valid = targets[:, 0] > -900
loader = DataLoader(TensorDataset(task.x[valid], targets[valid]), batch_size=40, shuffle=True)

model = nn.Sequential(
    nn.Linear(task.inputs, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
)
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
history = {"loss": []}
for epoch in range(20):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()  # here
        loss.backward()
        optimizer.step()
        history["loss"].append(loss.item())
    if epoch % 4 == 0:
        print(epoch, sum(history["loss"][-len(loader) :]) / len(loader))

model.eval()
with torch.no_grad():
    mae = (model(task.x_held_out) - task.y_held_out).abs().mean()
print(f"score {-mae:.4f}")
