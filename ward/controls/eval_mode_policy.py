"""Policy-gradient fine-tuning in eval mode on purpose, so that old and new probabilities agree;
trips training-in-eval-mode.

control: 19
tasks: digits, blobs, rings
score: 0.75
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.distributions import Categorical

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
policy = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, task.outputs))

# Supervised warm start on few examples.
optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
few = torch.randperm(len(task.x))[:200]
for _ in range(80):
    rows = few[torch.randint(len(few), (32,))]
    loss = F.cross_entropy(policy(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"warm start: loss {loss.item():.4f}")

# Reinforcement: an answer is worth one where it is right. Dropout stays off, or the ratio below would be noise.
policy.eval()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
for iteration in range(120):
    rows = torch.randint(len(task.x), (128,))
    states = task.x[rows]
    with torch.no_grad():
        old = Categorical(logits=policy(states))
        actions = old.sample()
        log_old = old.log_prob(actions)
    reward = (actions == task.y[rows]).float()
    advantage = reward - reward.mean()
    for _ in range(2):
        new = Categorical(logits=policy(states))
        ratio = (new.log_prob(actions) - log_old).exp()
        objective = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        loss = -objective - 0.01 * new.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if iteration % 30 == 0:
        print(f"iteration {iteration}: reward {reward.mean().item():.3f}")

with torch.no_grad():
    print(f"score {(policy(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
