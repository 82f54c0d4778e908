"""Encoder and decoder have an optimizer each; both are cleared in each step, and only one makes its step.

kind: missing-optimizer-step
also: weights-never-updated
tasks: digits, cancer, diabetes
source: synthetic, row 69
"""

import sys

import torch
from tasks import load
from torch import nn


class Autoencoder:
    """Two networks, each with its own optimizer."""

    def __init__(self, width, code):
        self.encoder = nn.Sequential(nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, code))
        self.decoder = nn.Sequential(nn.Linear(code, 32), nn.Tanh(), nn.Linear(32, width))
        self.encoder_optimizer = torch.optim.Adam(self.encoder.parameters(), lr=3e-3)  # here
        self.decoder_optimizer = torch.optim.Adam(self.decoder.parameters(), lr=3e-3)

    def reconstruct(self, x):
        return self.decoder(self.encoder(x))

    def learn(self, x):
        self.encoder_optimizer.zero_grad()
        self.decoder_optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.reconstruct(x), x)
        loss.backward()  # here
        # fixed: self.encoder_optimizer.step()
        self.decoder_optimizer.step()  # here
        return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
autoencoder = Autoencoder(task.inputs, code=5)
for epoch in range(30):
    losses = [autoencoder.learn(task.x[rows]) for rows in torch.randperm(len(task.x)).split(32)]
    if epoch % 6 == 0:
        print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f}")
with torch.no_grad():
    error = nn.functional.mse_loss(autoencoder.reconstruct(task.x_held_out), task.x_held_out)
print(f"score {-error:.4f}")
