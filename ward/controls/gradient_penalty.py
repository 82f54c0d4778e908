"""WGAN-GP: autograd.grad with create_graph inside the loss, five critic steps to one;
trips double-backward and sign rules.

control: gradient penalty (19)
tasks: rings, blobs
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import autograd, nn, optim

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
LATENT, BATCH, CRITIC_STEPS, LAMBDA = 6, 64, 4, 0.5

generator = nn.Sequential(nn.Linear(LATENT, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, task.inputs))
critic = nn.Sequential(nn.Linear(task.inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
optimizer_g = optim.Adam(generator.parameters(), lr=2e-3, betas=(0.0, 0.9))
optimizer_c = optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.9))


def penalty(real, fake):
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * fake).requires_grad_(True)
    (slope,) = autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()


def energy(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


with torch.no_grad():
    before = energy(generator(torch.randn(1000, LATENT)), task.x_held_out)
for round_ in range(220):
    for _ in range(CRITIC_STEPS):
        real = task.x[torch.randint(len(task.x), (BATCH,))]
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, LATENT))
        critic_loss = critic(fake).mean() - critic(real).mean() + LAMBDA * penalty(real, fake)
        optimizer_c.zero_grad()
        critic_loss.backward()
        optimizer_c.step()
    generator_loss = -critic(generator(torch.randn(BATCH, LATENT))).mean()
    optimizer_g.zero_grad()
    generator_loss.backward()
    optimizer_g.step()
    if round_ % 55 == 0:
        print(f"{round_} critic {critic_loss.item():+.3f} generator {generator_loss.item():+.3f}")
with torch.no_grad():
    after = energy(generator(torch.randn(1000, LATENT)), task.x_held_out)
print(f"score {1 - after / before:.4f}")
