"""A GAN with hinge losses, spectral norm and two critic steps to one: the critic's loss rises while all goes well;
trips rules on losses that do not fall, on dead hinges and on re-parametrised weights.

control: 5, another GAN
tasks: rings
score: 0.6
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 6


def make_generator(outputs):
    return nn.Sequential(
        nn.Linear(LATENT, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs)
    )


def make_critic(inputs):
    layers = [spectral_norm(nn.Linear(a, b)) for a, b in ((inputs, 64), (64, 64), (64, 1))]
    return nn.Sequential(layers[0], nn.LeakyReLU(0.2), layers[1], nn.LeakyReLU(0.2), layers[2])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
generator, critic = make_generator(task.inputs), make_critic(task.inputs)
g_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
c_optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3, betas=(0.0, 0.9))
for step in range(500):
    for _ in range(2):
        real = task.x[torch.randint(len(task.x), (64,))]
        with torch.no_grad():
            fake = generator(torch.randn(64, LATENT))
        c_loss = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(fake)).mean()
        c_optimizer.zero_grad()
        c_loss.backward()
        c_optimizer.step()
    critic.requires_grad_(False)
    g_loss = -critic(generator(torch.randn(64, LATENT))).mean()
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
    critic.requires_grad_(True)
    if step % 100 == 0:
        print(f"step {step} critic {c_loss.item():.3f} generator {g_loss.item():.3f}")

with torch.no_grad():
    sample = generator(torch.randn(400, LATENT))
    apart = torch.cdist(sample, task.x_held_out)
print(f"score {1 - (apart.min(0).values.mean() + apart.min(1).values.mean()).item():.4f}")
