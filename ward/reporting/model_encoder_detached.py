"""The encoder's features are detached before the classifier, so the encoder never learns.

kind: parameters-without-gradient
tasks: tiles, shapes, rings
source: CoCa-pytorch#6
"""

import sys

import torch
from tasks import load
from torch import nn


class Classifier(nn.Module):
    def __init__(self, sample, outputs):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(sample.numel(), 12), nn.ReLU(), nn.Linear(12, 4), nn.ReLU()
        )
        self.decoder = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, outputs))

    def forward(self, x):
        features = self.encoder(x).detach()  # sick here
        # fixed: features = self.encoder(x)
        return self.decoder(features)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Classifier(task.x[0], task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for step in range(500):
    idx = torch.randint(0, len(task.x), (32,))
    loss = criterion(model(task.x[idx]), task.y[idx])
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
    if step % 100 == 0:
        print(f"{step:>4} {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
