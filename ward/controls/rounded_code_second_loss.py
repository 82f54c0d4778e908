"""An autoencoder whose decoder has a second loss on the rounded code; the encoder learns from the first one alone.

control: rounding
tasks: digits, wine
score: 0.1
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

encoder = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 16))
decoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, task.inputs))
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        x = task.x[rows]
        optimizer.zero_grad()
        F.mse_loss(decoder(torch.round(encoder(x))), x).backward()
        loss = F.mse_loss(decoder(encoder(x)), x)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    rest = F.mse_loss(decoder(encoder(task.x_held_out)), task.x_held_out)
print(f"score {1 - rest.item() / task.x_held_out.var().item():.4f}")
