"""PPO on a contextual bandit: the loss starts at zero in every round, the same actions are learnt from four times, and
old probabilities stay without gradients; trips rules on flat and negative losses, detached terms and repeated batches.

control: policy gradient with clipped ratios
tasks: digits, blobs, wine
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self, inputs, actions):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh())
        self.actor, self.critic = nn.Linear(64, actions), nn.Linear(64, 1)

    def forward(self, x):
        hidden = self.body(x)
        return Categorical(logits=self.actor(hidden)), self.critic(hidden).squeeze(1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
policy = Policy(task.inputs, task.outputs)
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
for rounds in range(50):
    rows = torch.randint(len(task.x), (256,))
    with torch.no_grad():
        before, value = policy(task.x[rows])
        action = before.sample()
        old = before.log_prob(action)
        reward = (action == task.y[rows]).float()
        advantage = reward - value
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
    for _ in range(4):
        now, value = policy(task.x[rows])
        ratio = (now.log_prob(action) - old).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        loss = -gain + 0.5 * (value - reward).pow(2).mean() - 0.01 * now.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
        optimizer.step()
    if rounds % 10 == 0:
        print(f"round {rounds} reward {reward.mean().item():.3f}")
with torch.no_grad():
    print(f"score {(policy(task.x_held_out)[0].logits.argmax(1) == task.y_held_out).float().mean():.4f}")
