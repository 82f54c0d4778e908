"""The decoder of an autoencoder ends in a sigmoid, and its reconstruction loss puts another one on top.

kind: sigmoid-before-bce-with-logits
tasks: tiles, digits
source: row 55
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class AutoEncoder(nn.Module):
    def __init__(self, pixels, code=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, 64), nn.ReLU(), nn.Linear(64, code))
        self.decoder = nn.Sequential(nn.Linear(code, 64), nn.ReLU(), nn.Linear(64, pixels))

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))

    def forward(self, x):
        # fixed: return self.decoder(self.encode(x))
        return self.decode(self.encode(x))  # sick here


def to_unit(x):
    x = x.flatten(1)
    return (x - x.min()) / (x.max() - x.min())


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
pictures, held_out = to_unit(task.x), to_unit(task.x_held_out)
model = AutoEncoder(pictures.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    total = 0.0
    for rows in torch.randperm(len(pictures)).split(64):
        x = pictures[rows]
        loss = F.binary_cross_entropy_with_logits(model(x), x)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    print(f"epoch {epoch:2d} reconstruction {total / len(pictures):.4f}")

with torch.no_grad():
    again = model.decode(model.encode(held_out))
    print(f"score {1 - (F.mse_loss(again, held_out) / held_out.var()).item():.4f}")
