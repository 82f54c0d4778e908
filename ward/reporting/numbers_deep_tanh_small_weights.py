"""A deep tanh net with weights of standard deviation 0.01: signal and gradient shrink from layer to layer.

kind: vanishing-gradients
also: activations-change-scale-with-depth, underfitting, outputs-ignore-input
tasks: digits, surface, cancer
source: SO 46995209
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class DeepNet(nn.Module):
    def __init__(self, inputs, outputs, width=40, depth=8):
        super().__init__()
        sizes = [inputs] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1]) for i in range(depth))
        self.out = nn.Linear(width, outputs)
        for layer in self.hidden:
            nn.init.normal_(layer.weight, std=0.01)  # sick here
            # fixed: nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.out(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = DeepNet(task.inputs, task.outputs)
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for step in range(400):
    rows = torch.randint(len(task.x), (32,))
    loss = loss_fn(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 80 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-loss_fn(model(task.x_held_out), task.y_held_out).item():.4f}")
