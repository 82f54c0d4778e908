"""A GAN whose discriminator loss also reaches the generator, which is zeroed before its own turn;
trips zero_grad rules.

control: GAN with non-detached fake
tasks: rings
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import nn


class Generator(nn.Module):
    def __init__(self, latent, features):
        super().__init__()
        self.latent = latent
        self.net = nn.Sequential(
            nn.Linear(latent, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, features)
        )

    def forward(self, n):
        return self.net(torch.randn(n, self.latent))


def critic(features):
    return nn.Sequential(
        nn.Linear(features, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
    )


def moments_apart(a, b):
    """Energy distance of two samples."""
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    gen, dis = Generator(6, task.inputs), critic(task.inputs)
    gen_optimizer = torch.optim.Adam(gen.parameters(), lr=5e-4, betas=(0.5, 0.9))
    dis_optimizer = torch.optim.Adam(dis.parameters(), lr=1e-3, betas=(0.5, 0.9))
    bce = nn.BCEWithLogitsLoss()
    with torch.no_grad():
        start = moments_apart(gen(1000), task.x_held_out)

    for iteration in range(500):
        # Real against fake. The generator receives gradients here too, and is wiped below before it learns.
        dis_optimizer.zero_grad()
        real = task.x[torch.randint(0, len(task.x), (64,))]
        fake = gen(64)
        loss_d = bce(dis(real), torch.full((64, 1), 0.9)) + bce(dis(fake), torch.zeros(64, 1))
        loss_d.backward()
        dis_optimizer.step()

        gen_optimizer.zero_grad()
        loss_g = bce(dis(gen(64)), torch.ones(64, 1))
        loss_g.backward()
        gen_optimizer.step()
        if iteration % 125 == 0:
            print(f"{iteration}: critic {loss_d.item():.3f}, generator {loss_g.item():.3f}")

    with torch.no_grad():
        end = moments_apart(gen(1000), task.x_held_out)
    print(f"score {1 - end / start:.4f}")


main()
