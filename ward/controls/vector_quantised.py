"""A codebook between encoder and decoder, its nearest entry passed straight through.

control: quantisation
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

encoder = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 8))
decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, task.inputs))
codes = nn.Embedding(32, 8)
modules = nn.ModuleList([encoder, decoder, codes])
optimizer = torch.optim.Adam(modules.parameters(), lr=3e-3)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(32):
        x = task.x[rows]
        z = encoder(x)
        nearest = codes(torch.cdist(z, codes.weight).argmin(1))
        loss = F.mse_loss(decoder(z + (nearest - z).detach()), x)
        loss = loss + F.mse_loss(nearest, z.detach()) + 0.25 * F.mse_loss(z, nearest.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    z = encoder(task.x_held_out)
    rest = F.mse_loss(decoder(codes(torch.cdist(z, codes.weight).argmin(1))), task.x_held_out)
print(f"score {1 - rest.item() / task.x_held_out.var().item():.4f}")
