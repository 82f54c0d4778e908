"""A large net and a debug subset of 40 samples that was never removed: the held-out loss rises while the loss falls.

kind: overfitting
also: best-checkpoint-passed, overconfident
tasks: digits, blobs, surface
source: synthetic, row 90
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = task.x, task.y
x, y = x[:40], y[:40]  # sick here
criterion = F.cross_entropy if task.kind == "classes" else F.mse_loss
model = nn.Sequential(
    nn.Linear(task.inputs, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, task.outputs)
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(15):
    model.train()
    for _ in range(20):
        rows = torch.randint(len(x), (20,))
        optimizer.zero_grad()
        loss = criterion(model(x[rows]), y[rows])  # here
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(task.x_held_out), task.y_held_out).item()  # here
    print(f"epoch {epoch:2d} train {loss.item():.4f} val {val_loss:.4f}")
print(f"score {-val_loss:.4f}")
