"""The last batch of each epoch has a single row, which group norm and a mean over one do not mind; trips rules on tiny
batches, on uneven batches and on batches of another shape.

control: tiny last batch
tasks: tiles, shapes
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
count = len(task.x) // 40 * 40 - 39
loader = DataLoader(TensorDataset(task.x[:count], task.y[:count]), batch_size=40, shuffle=True)
model = nn.Sequential(
    *(nn.Conv2d(task.inputs, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten()),
    nn.Linear(128, task.outputs),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    sizes = set()
    for x, y in loader:
        sizes.add(len(x))
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f} sizes {sizes}")
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
