"""Inputs and labels come from a loader each, and both of them shuffle.

kind: labels-unrelated-to-inputs
tasks: shapes, digits
source: row 12
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader

SEED = int(sys.argv[1])
torch.manual_seed(SEED)
task = load(sys.argv[2], SEED)


def loaders(x, y, batch_size=40):
    order = torch.Generator().manual_seed(SEED)
    again = torch.Generator().manual_seed(SEED)
    images = DataLoader(x, batch_size=batch_size, shuffle=True, generator=order)
    labels = DataLoader(y, batch_size=batch_size, shuffle=True)  # sick here
    # fixed: labels = DataLoader(y, batch_size=batch_size, shuffle=True, generator=again)
    return images, labels, again


image_loader, label_loader, _ = loaders(task.x.flatten(1), task.y)
model = nn.Sequential(
    nn.Linear(task.x[0].numel(), 64),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(64, 32),
    nn.ReLU(),
    nn.Linear(32, task.outputs),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    model.train()
    total = 0.0
    for images, labels in zip(image_loader, label_loader, strict=True):
        loss = criterion(model(images), labels)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch + 1:2d}  loss {total / len(image_loader):.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out.flatten(1)).argmax(1) == task.y_held_out).float().mean():.4f}")
