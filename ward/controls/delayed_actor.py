"""Two critics with targets of a slow copy, and an actor that steps after every second step of theirs.

control: actor and critics
tasks: surface
score: -1000
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

actor = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 1), nn.Tanh())
critics = nn.ModuleList(nn.Sequential(nn.Linear(task.inputs + 1, 32), nn.ReLU(), nn.Linear(32, 1)) for _ in range(2))
slow_actor, slow_critics = copy.deepcopy(actor), copy.deepcopy(critics)
of_actor = torch.optim.Adam(actor.parameters(), lr=1e-3)
of_critics = torch.optim.Adam(critics.parameters(), lr=3e-3)
for step in range(600):
    state, following = task.x[torch.randint(len(task.x), (64,))], task.x[torch.randint(len(task.x), (64,))]
    with torch.no_grad():
        action = (actor(state) + 0.2 * torch.randn(64, 1)).clamp(-1, 1)
        reward = -((action - state[:, :1].tanh()) ** 2)
        ahead = torch.cat([following, slow_actor(following)], 1)
        target = reward + 0.5 * torch.min(*(critic(ahead) for critic in slow_critics))
    loss = sum(F.mse_loss(critic(torch.cat([state, action], 1)), target) for critic in critics)
    of_critics.zero_grad()
    loss.backward()
    of_critics.step()
    if step % 2:
        of_actor.zero_grad()
        (-critics[0](torch.cat([state, actor(state)], 1)).mean()).backward()
        of_actor.step()
        with torch.no_grad():
            for slow, fast in zip(
                [*slow_actor.parameters(), *slow_critics.parameters()],
                [*actor.parameters(), *critics.parameters()],
                strict=True,
            ):
                slow.lerp_(fast, 0.02)
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    rest = F.mse_loss(actor(task.x_held_out), task.x_held_out[:, :1].tanh())
print(f"score {-rest.item():.4f}")
