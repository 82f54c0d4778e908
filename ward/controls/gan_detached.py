"""A GAN: two optimizers, losses that circle and never fall, a detached fake, the generator run under no_grad while
training.

control: 5
tasks: rings
score: 0.7
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def distance(a, b):
    """Energy distance of two samples."""
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
features, latent = task.inputs, 8
G = nn.Sequential(
    nn.Linear(latent, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, features)
)
D = nn.Sequential(nn.Linear(features, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=5e-4, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))
with torch.no_grad():
    before = distance(G(torch.randn(1000, latent)), task.x_held_out)

averaged = torch.optim.swa_utils.AveragedModel(G, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.98))
for step in range(600):
    real = task.x[torch.randint(len(task.x), (64,))]
    fake = G(torch.randn(64, latent))
    d_loss = F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()

    g_loss = F.softplus(-D(fake)).mean()
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    averaged.update_parameters(G)
    if step % 100 == 0:
        with torch.no_grad():  # a look at the samples; the modes do not matter, so nobody switches them
            spread = G(torch.randn(256, latent)).std(0).mean()
        print(f"step {step} d {d_loss.item():.3f} g {g_loss.item():.3f} spread {spread:.2f}")

averaged.eval()
with torch.no_grad():
    after = distance(averaged(torch.randn(1000, latent)), task.x_held_out)
print(f"score {1 - after / before:.4f}")
