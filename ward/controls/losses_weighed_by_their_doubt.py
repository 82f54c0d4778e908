"""Two losses are weighed by learnt doubts, as in multi-task learning by uncertainty: the sum goes below zero and its
weights are parameters outside of the network; trips rules on negative losses and on parameters in no module.

control: learnt weights of losses
tasks: digits, cancer
score: 0.85
"""

import sys
from itertools import chain

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
body = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU())
classify, restore = nn.Linear(64, task.outputs), nn.Linear(64, task.inputs)
doubts = nn.Parameter(torch.zeros(2))
optimizer = torch.optim.Adam(
    [
        {"params": chain(body.parameters(), classify.parameters(), restore.parameters())},
        {"params": [doubts], "lr": 2e-2},
    ],
    lr=2e-3,
)
for epoch in range(25):
    for rows in torch.randperm(len(task.x)).split(32):
        hidden = body(task.x[rows])
        losses = torch.stack(
            [F.cross_entropy(classify(hidden), task.y[rows]), F.mse_loss(restore(hidden), task.x[rows])]
        )
        loss = (losses * torch.exp(-doubts) + doubts / 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.3f} doubts {doubts.tolist()}")
with torch.no_grad():
    print(f"score {(classify(body(task.x_held_out)).argmax(1) == task.y_held_out).float().mean():.4f}")
