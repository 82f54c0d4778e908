"""A policy learns from rewards by gradient descent on reward times log-probability, without the minus.

kind: loss-maximised
tasks: blobs, rings
source: synthetic, row 62
unseen: a reward that falls and a cost that falls are the same numbers
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self, observations, actions):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(observations, 48), nn.Tanh(), nn.Linear(48, actions))

    def forward(self, x):
        return Categorical(logits=self.net(x))


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
policy = Policy(task.inputs, task.outputs)
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
baseline = 0.0
for episode in range(300):
    rows = torch.randint(len(task.x), (64,))
    distribution = policy(task.x[rows])
    actions = distribution.sample()
    rewards = (actions == task.y[rows]).float()
    advantage = rewards - baseline
    loss = (distribution.log_prob(actions) * advantage).mean()  # sick here
    # fixed: loss = -(distribution.log_prob(actions) * advantage).mean()
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
    baseline = 0.9 * baseline + 0.1 * rewards.mean().item()
    if episode % 60 == 0:
        print(f"episode {episode} mean reward {rewards.mean().item():.3f}")

with torch.no_grad():
    best = policy(task.x_held_out).probs.argmax(1)
print(f"score {(best == task.y_held_out).float().mean().item():.4f}")
