"""Q-learning with a replay buffer and a target network that lags behind: the targets move, the loss rises;
trips plateau rules.

control: Q-learning (10)
tasks: own
score: 0.8
"""

import copy
import random
import sys

import torch
from torch import nn

LENGTH, DISCOUNT = 8, 0.9


def play(state, action):
    """Walk a corridor with its prize at the right end; return the next state, the reward and whether it is over."""
    state = max(0, state + (1 if action else -1))
    return (state, 1.0, True) if state == LENGTH - 1 else (state, 0.0, False)


def encode(states):
    return nn.functional.one_hot(torch.tensor(states), LENGTH).float()


seed = int(sys.argv[1])
random.seed(seed)
torch.manual_seed(seed)
online = nn.Sequential(nn.Linear(LENGTH, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(online)
optimizer = torch.optim.Adam(online.parameters(), lr=3e-3)
memory, state, age = [], 0, 0
for step in range(1500):
    with torch.no_grad():
        greedy = online(encode([state])).argmax(1).item()
    action = random.randrange(2) if random.random() < max(0.2, 1 - step / 800) else greedy
    following, reward, over = play(state, action)
    memory = [*memory[-2000:], (state, action, reward, following, over)]
    age += 1
    state, age = (random.randrange(LENGTH - 1), 0) if over or age > 30 else (following, age)
    if len(memory) >= 64:
        s, a, r, n, done = zip(*random.sample(memory, 32), strict=True)
        with torch.no_grad():
            wanted = torch.tensor(r) + DISCOUNT * target(encode(n)).amax(1) * (
                1 - torch.tensor(done, dtype=torch.float)
            )
        value = online(encode(s)).gather(1, torch.tensor(a)[:, None])[:, 0]
        loss = nn.functional.smooth_l1_loss(value, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            target.load_state_dict(online.state_dict())
    if step % 300 == 299:
        print(f"step {step + 1} loss {loss.item():.5f}")
with torch.no_grad():
    learned = online(encode(list(range(LENGTH - 1)))).amax(1)
right = torch.tensor([DISCOUNT ** (LENGTH - 2 - s) for s in range(LENGTH - 1)])
print(f"score {1 - (learned - right).abs().max().item():.4f}")
