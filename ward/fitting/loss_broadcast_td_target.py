"""The bootstrapped target adds rewards [batch] to next values [batch, 1] and becomes a square of every pair.

kind: loss-shape-broadcast
tasks: surface, curve
source: synthetic, row 60
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

GAMMA = 0.5


class Critic(nn.Module):
    def __init__(self, observations):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(observations, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.value = nn.Linear(64, 1)

    def forward(self, observation):
        return self.value(self.layers(observation))


class Buffer:
    """Transitions of a walker that stays where it is, so that the value is the reward / (1 - gamma)."""

    def __init__(self, observations, rewards):
        self.observations, self.rewards = observations, rewards

    def sample(self, size):
        rows = torch.randint(len(self.observations), (size,))
        # fixed: return self.observations[rows], self.rewards[rows].unsqueeze(1), self.observations[rows]
        return self.observations[rows], self.rewards[rows], self.observations[rows]  # sick here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
buffer = Buffer(task.x, task.y.squeeze(1))
critic = Critic(task.inputs)
target = copy.deepcopy(critic).requires_grad_(False)
optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3)
for step in range(900):
    observation, reward, following = buffer.sample(48)
    with torch.no_grad():
        wanted = reward + GAMMA * target(following)  # here
    loss = F.smooth_l1_loss(critic(observation).expand_as(wanted), wanted)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for slow, fast in zip(target.parameters(), critic.parameters(), strict=True):
            slow.lerp_(fast, 0.05)
    if step % 150 == 0:
        print(f"step {step} td loss {loss.item():.4f}")

with torch.no_grad():
    value = critic(task.x_held_out) * (1 - GAMMA)
print(f"score {1 - F.mse_loss(value, task.y_held_out).item():.4f}")
