"""Orthogonal weights get a gain of twenty, and nearly every tanh sits at one of its ends.

kind: saturated-activations
also: vanishing-gradients, initial-loss-too-high
tasks: rings, surface
source: synthetic, row 46
"""

import sys

import torch
from tasks import load
from torch import nn


# fixed: def ortho_init(module, gain=5 / 3):
def ortho_init(module, gain=20.0):  # sick here
    if isinstance(module, nn.Linear):
        nn.init.orthogonal_(module.weight, gain)  # here
        nn.init.zeros_(module.bias)


class ActorLikeNet(nn.Module):
    def __init__(self, inputs, outputs, width=64):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        )
        self.trunk.apply(ortho_init)  # here
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.trunk(x))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = ActorLikeNet(task.inputs, task.outputs)
loss_of = nn.functional.cross_entropy if task.kind == "classes" else nn.functional.mse_loss
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for update in range(400):
    rows = torch.randint(len(task.x), (32,))
    loss = loss_of(net(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if update % 80 == 0:
        print(f"update {update}: {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-loss_of(net(task.x_held_out), task.y_held_out):.4f}")
