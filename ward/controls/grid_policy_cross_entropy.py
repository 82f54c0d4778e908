"""A policy on a few states, whose log-probabilities are cross-entropies weighted by rewards: an action is no label.

control: reinforcement
tasks: blobs
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(int(sys.argv[1]))
best = torch.randint(4, (12,))
policy = nn.Sequential(nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 4))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
average = 0.0
for step in range(600):
    states = torch.randint(12, (32,))
    logits = policy(F.one_hot(states, 12).float())
    actions = torch.distributions.Categorical(logits=logits.detach()).sample()
    reward = (actions == best[states]).float()
    loss = (F.cross_entropy(logits, actions, reduction="none") * (reward - average)).mean()
    average = 0.9 * average + 0.1 * reward.mean().item()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} reward {average:.3f}")
with torch.no_grad():
    print(f"score {(policy(torch.eye(12)).argmax(1) == best).float().mean().item():.4f}")
