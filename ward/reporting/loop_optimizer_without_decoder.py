"""The optimizer of an autoencoder was given the encoder's parameters alone; the decoder stays as it was drawn.

kind: parameters-not-in-optimizer
tasks: digits, cancer, wine
source: synthetic, row 70
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader


class Autoencoder(nn.Module):
    def __init__(self, features, bottleneck=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(features, 64), nn.ELU(), nn.Linear(64, bottleneck))
        self.decoder = nn.Sequential(nn.Linear(bottleneck, 64), nn.ELU(), nn.Linear(64, features))

    def forward(self, x):
        return self.decoder(self.encoder(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Autoencoder(task.inputs)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.encoder.parameters(), lr=2e-3, weight_decay=1e-5)  # sick here
# fixed: optimizer = optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-5)

dataloader = DataLoader(task.x, batch_size=32, shuffle=True)
for epoch in range(20):
    for batch in dataloader:
        output = model(batch)
        loss = criterion(output, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch [{epoch + 1}/20], loss:{loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.x_held_out).item():.4f}")
