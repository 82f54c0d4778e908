"""A ReLU follows the last layer and cuts off every logit below zero.

kind: relu-on-output
also: dead-relu
tasks: digits, tiles, shapes
source: SO 47352366
"""

import math
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Model(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.stack = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, classes))
        nn.init.constant_(self.stack[3].bias, -math.log(classes))  # all classes alike

    def forward(self, x):
        return F.relu(self.stack(x))  # sick here
        # fixed: return self.stack(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Model(task.x[0].numel(), task.outputs)
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(300):
    i = torch.randint(len(task.x), (32,))
    loss = F.cross_entropy(model(task.x[i]), task.y[i])  # here
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 60 == 0:
        print(f"{step}: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    score = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
print(f"score {score.item():.4f}")
