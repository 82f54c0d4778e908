"""REINFORCE on a contextual bandit: the surrogate loss is no measure of progress and may rise;
trips learns-nothing and sign rules.

control: REINFORCE
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.distributions import Categorical


class Bandit:
    """Shows a context, pays one for the right arm and nothing else."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def contexts(self, n):
        self.rows = torch.randint(len(self.x), (n,))
        return self.x[self.rows]

    def pull(self, arms):
        return (arms == self.y[self.rows]).float()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
bandit = Bandit(task.x, task.y)
policy = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
baseline = 0.0
for episode in range(700):
    choice = Categorical(logits=policy(bandit.contexts(128)))
    arms = choice.sample()
    reward = bandit.pull(arms)
    policy_loss = -(choice.log_prob(arms) * (reward - baseline)).mean() - 0.01 * choice.entropy().mean()
    optimizer.zero_grad()
    policy_loss.backward()
    optimizer.step()
    baseline = 0.9 * baseline + 0.1 * reward.mean().item()
    if episode % 100 == 0:
        print(f"Episode {episode}\tAverage reward: {baseline:.3f}")
with torch.no_grad():
    print(f"score {(policy(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
