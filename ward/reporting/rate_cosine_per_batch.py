"""A cosine schedule whose horizon counts epochs is stepped after each batch, so the rate swings up and down.

kind: scheduler-wrong-frequency
tasks: digits, blobs, curve
source: ivadomed#57
gap: none, the rate swings through all its values and its mean is the same; the authors saw no harm either
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
epochs = 20
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = CosineAnnealingLR(optimizer, T_max=epochs)  # here
criterion = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(epochs):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()  # sick here
    # fixed: scheduler.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} lr {scheduler.get_last_lr()[0]:.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
