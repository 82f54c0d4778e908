"""In a GAN the critic is not cleared before its turn, so it also steps along what the generator wanted of it.

kind: missing-zero-grad
tasks: rings
source: synthetic, row 67
"""

import sys
from itertools import pairwise

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

NOISE = 4


def mlp(*sizes):
    layers = [nn.Linear(sizes[0], sizes[1])]
    for a, b in pairwise(sizes[1:]):
        layers += [nn.LeakyReLU(0.2), nn.Linear(a, b)]
    return nn.Sequential(*layers)


def real_or_fake(critic, points, real):
    scores = critic(points)
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
generator, critic = mlp(NOISE, 48, 48, task.inputs), mlp(task.inputs, 48, 48, 1)
g_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
d_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))

for step in range(700):
    real = task.x[torch.randint(len(task.x), (64,))]
    fake = generator(torch.randn(64, NOISE))
    # fixed: d_optimizer.zero_grad()
    d_loss = real_or_fake(critic, real, True) + real_or_fake(critic, fake.detach(), False)
    d_loss.backward()  # here
    d_optimizer.step()  # here

    g_optimizer.zero_grad()
    g_loss = real_or_fake(critic, fake, True)
    g_loss.backward()
    g_optimizer.step()
    if step % 100 == 0:
        print(f"{step} critic {d_loss.item():.3f} generator {g_loss.item():.3f}")

with torch.no_grad():
    sample = generator(torch.randn(400, NOISE))
    to_real = torch.cdist(sample, task.x_held_out).min(1).values.mean()
    to_fake = torch.cdist(task.x_held_out, sample).min(1).values.mean()
print(f"score {-(to_real + to_fake).item():.4f}")
