"""reduction="sum" multiplies the gradient by the size of the batch, at a rate that was chosen for the mean.

kind: learning-rate-too-high
also: exploding-gradients, non-finite-loss, dead-relu
tasks: digits, surface
source: synthetic, row 80
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LOSSES = {"classes": nn.CrossEntropyLoss, "values": nn.MSELoss, "several": nn.BCEWithLogitsLoss}

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
criterion = LOSSES[task.kind](reduction="sum")  # sick here
# fixed: criterion = LOSSES[task.kind](reduction="mean")
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)  # here
for epoch in range(8):
    total = 0.0
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()  # here
        total += loss.item()
    print(f"epoch {epoch}: {total / len(task.x):.4f}")
with torch.no_grad():
    held_out = nn.functional.l1_loss if task.kind == "values" else LOSSES[task.kind]()
    error = held_out(net(task.x_held_out), task.y_held_out)
print(f"score {-error.nan_to_num(nan=99.0).clamp(max=99.0).item():.4f}")
