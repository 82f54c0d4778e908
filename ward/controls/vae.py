"""A variational autoencoder with a learned variance: sampling while training, a loss below zero;
trips negative-loss rules.

control: 16
tasks: digits, cancer
score: 0.6
"""

import math
import sys

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, features, hidden=96, latent=12):
        super().__init__()
        self.fc1 = nn.Linear(features, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, features)
        self.log_variance = nn.Parameter(torch.zeros(features))

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)

    def decode(self, z):
        return self.fc4(F.relu(self.fc3(z)))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(model, recon, x, mu, logvar):
    spread = model.log_variance.clamp(-6, 2)
    nll = 0.5 * ((x - recon) ** 2 / spread.exp() + spread + math.log(2 * math.pi)).sum(1).mean()
    kld = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean()
    return nll + kld


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = VAE(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(max(20, 24_000 // len(task.x))):
    for rows in torch.randperm(len(task.x)).split(64):
        data = task.x[rows]
        recon, mu, logvar = model(data)
        loss = loss_function(model, recon, data, mu, logvar)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"====> Epoch: {epoch} loss: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    mu, _ = model.encode(task.x_held_out)
    error = (model.decode(mu) - task.x_held_out).square().sum()
    total = (task.x_held_out - task.x.mean(0)).square().sum()
print(f"score {1 - (error / total).item():.4f}")
