"""Actor and critic: the better the policy, the larger the returns, and the value loss grows with them;
trips rules on rising losses, on targets that move and on detached advantages.

control: returns as in reinforcement learning
tasks: blobs, digits
score: 0.65
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.distributions import Categorical


class ActorCritic(nn.Module):
    def __init__(self, observations, actions):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(observations, 64), nn.Tanh())
        self.actor = nn.Linear(64, actions)
        self.critic = nn.Linear(64, 1)

    def forward(self, observation):
        hidden = self.trunk(observation)
        return Categorical(logits=self.actor(hidden)), self.critic(hidden).squeeze(-1)


class Bandit:
    """A round of eight questions; each right answer in a row pays one more than the one before."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def play(self, policy, players=32, length=8):
        rows = torch.randint(len(self.x), (players, length))
        with torch.no_grad():
            actions = policy(self.x[rows])[0].sample()
        right = (actions == self.y[rows]).float()
        rewards, streak = torch.zeros_like(right), torch.zeros(players)
        for turn in range(length):
            streak = (streak + 1) * right[:, turn]
            rewards[:, turn] = streak
        returns = rewards.flip(1).cumsum(1).flip(1) * 0.2 + rewards * 0.8
        return self.x[rows].flatten(0, 1), actions.flatten(), returns.flatten()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
agent, bandit = ActorCritic(task.inputs, task.outputs), Bandit(task.x, task.y)
optimizer = torch.optim.Adam(agent.parameters(), lr=4e-3)
for update in range(400):
    observation, action, returned = bandit.play(agent)
    policy, value = agent(observation)
    advantage = (returned - value).detach()
    advantage = advantage / (advantage.std() + 1e-6)
    actor_loss = -(policy.log_prob(action) * advantage).mean()
    critic_loss = (returned - value).square().mean()
    loss = actor_loss + 0.5 * critic_loss - 0.01 * policy.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(agent.parameters(), 1.0)
    optimizer.step()
    if update % 80 == 0:
        print(f"update {update} return {returned.mean().item():.3f} loss {loss.item():.3f}")

with torch.no_grad():
    best = agent(task.x_held_out)[0].probs.argmax(1)
print(f"score {(best == task.y_held_out).float().mean():.4f}")
