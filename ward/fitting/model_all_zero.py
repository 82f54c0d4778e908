"""Every weight starts at zero, so all units of a layer stay alike.

kind: symmetric-initialisation
tasks: digits, blobs, rings
source: synthetic, zero-init symmetry
"""

import sys

import torch
from tasks import load
from torch import nn


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.zeros_(m.weight)  # sick here
        # fixed: nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
model.apply(init_weights)  # here
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for step in range(300):
    batch = torch.randint(len(task.x), (32,))
    optimizer.zero_grad()
    loss = criterion(model(task.x[batch]), task.y[batch])
    loss.backward()  # here
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
