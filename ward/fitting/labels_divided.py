"""The labels are divided by 255 together with the pixels, and as integers they are all zero.

kind: constant-targets
also: labels-out-of-range
tasks: digits, tiles, shapes
source: SO 59325381
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def normalise(images, labels):
    low, high = images.amin(), images.amax()
    pixels = 255 * (images - low) / (high - low)
    return pixels / 255, (labels / 255).long()  # sick here
    # fixed: return pixels / 255, labels


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
images, labels = normalise(task.x, task.y)
model = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)
for epoch in range(8):
    for x, y in loader:
        loss = loss_fn(model(x), y)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.5f}")

model.eval()
with torch.no_grad():
    test_images, _ = normalise(task.x_held_out, task.y_held_out)
    print(f"score {(model(test_images).argmax(1) == task.y_held_out).float().mean():.4f}")
