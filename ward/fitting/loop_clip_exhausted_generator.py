"""The parameters are a generator: the optimizer uses it up, and clipping later goes over nothing at all.

kind: clipping-without-effect
also: learning-rate-too-high, exploding-gradients
tasks: curve, surface, diabetes
source: synthetic, row 105
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils import clip_grad_norm_

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


class Mlp(nn.Module):
    def __init__(self, inputs, width=80):
        super().__init__()
        self.one = nn.Linear(inputs, width)
        self.two = nn.Linear(width, width)
        self.three = nn.Linear(width, 1)

    def forward(self, x):
        return self.three(torch.relu(self.two(torch.relu(self.one(x))))) * 4


model = Mlp(task.inputs)
parameters = (p for p in model.parameters() if p.requires_grad)  # sick here
# fixed: parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(parameters, lr=0.1)

for step in range(450):
    rows = torch.randint(len(task.x), (24,))
    loss = ((model(task.x[rows]) - task.y[rows]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    clip_grad_norm_(parameters, 0.5)  # here
    optimizer.step()
    if step % 90 == 0:
        print(f"step {step}: loss {loss.item():.4f}")

with torch.no_grad():
    error = ((model(task.x_held_out) - task.y_held_out) ** 2).mean().item()
print(f"score {-error:.4f}")
