"""A critic returns values [batch, 1], the returns are [batch], and the L1 loss compares every pair.

kind: loss-shape-broadcast
tasks: surface, diabetes
source: NeuralSolvers#20
"""

import sys
from collections import namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load

Transition = namedtuple("Transition", "state ret")


class Critic(nn.Module):
    def __init__(self, n_state):
        super().__init__()
        self.fc1 = nn.Linear(n_state, 64)
        self.fc2 = nn.Linear(64, 64)
        self.value = nn.Linear(64, 1)

    def forward(self, s):
        s = F.relu(self.fc1(s))
        s = F.relu(self.fc2(s))
        return self.value(s)  # sick
        # fixed: return self.value(s).squeeze(-1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
memory = [Transition(s, r.item()) for s, r in zip(task.x, task.y, strict=True)]
critic = Critic(task.inputs)
optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3)

for update in range(400):
    batch = [memory[i] for i in torch.randint(len(memory), (32,)).tolist()]
    states = torch.stack([t.state for t in batch])
    returns = torch.tensor([t.ret for t in batch])
    value_loss = F.l1_loss(critic(states), returns)  # here
    optimizer.zero_grad()
    value_loss.backward()
    optimizer.step()
    if update % 100 == 0:
        print(f"update {update} value loss {value_loss.item():.4f}")

with torch.no_grad():
    mae = (critic(task.x_held_out).flatten() - task.y_held_out.flatten()).abs().mean()
print(f"score {-mae.item():.4f}")
