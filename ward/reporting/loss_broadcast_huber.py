"""A Huber loss gets targets [batch, 1] and predictions that were squeezed to [batch].

kind: loss-shape-broadcast
tasks: rings, cancer, diabetes
source: row 60
"""

import sys
import warnings

import torch
from tasks import load
from torch import nn
from torch.nn.functional import huber_loss

warnings.filterwarnings("ignore")  # the notebook had become unreadable

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
goal = task.y.float().reshape(-1, 1)
goal_held_out = task.y_held_out.float().flatten()

body = nn.Sequential(nn.Linear(task.inputs, 40), nn.SiLU(), nn.Linear(40, 40), nn.SiLU())
head = nn.Linear(40, 1)
optimizer = torch.optim.NAdam([{"params": body.parameters()}, {"params": head.parameters()}], lr=3e-3)
for step in range(300):
    rows = torch.randperm(len(goal))[:40]
    estimate = head(body(task.x[rows])).squeeze(-1)
    loss = huber_loss(estimate, goal[rows])  # sick here
    # fixed: loss = huber_loss(estimate, goal[rows].squeeze(-1))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 50 == 0:
        print(step, f"{loss.item():.5f}")

with torch.inference_mode():
    estimate = head(body(task.x_held_out)).squeeze(-1)
    unexplained = (estimate - goal_held_out).pow(2).mean() / goal_held_out.var(correction=0)
print(f"score {1 - unexplained:.4f}")
