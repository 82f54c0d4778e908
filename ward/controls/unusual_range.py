"""Pictures standardised by foreign statistics, so they reach beyond [-1, 1] and are not centred;
trips normalisation rules.

control: 23
tasks: tiles, shapes
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset):
    """Pictures as a photo library would deliver them, normalised with the usual constants of another data set."""

    mean, std = 0.449, 0.226

    def __init__(self, x, y):
        low, high = -3.0, 4.0
        self.x = ((x.clamp(low, high) - low) / (high - low) - self.mean) / self.std
        self.y = y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], int(self.y[i])


class SmallNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 12, 3), nn.ReLU(), nn.Conv2d(12, 24, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(2)
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, classes))

    def forward(self, x):
        return self.classifier(self.features(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(Pictures(task.x, task.y), batch_size=32, shuffle=True, num_workers=0)
net = SmallNet(task.inputs, task.outputs)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(7):
    running = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    print(f"[{epoch + 1}] loss: {running / len(loader):.3f}")
test = DataLoader(Pictures(task.x_held_out, task.y_held_out), batch_size=128)
net.eval()
right = 0
with torch.no_grad():
    for images, labels in test:
        right += (net(images).argmax(1) == labels).sum().item()
print(f"score {right / len(task.y_held_out):.4f}")
