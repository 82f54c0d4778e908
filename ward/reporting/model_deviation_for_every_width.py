"""All filters are drawn with one deviation of 0.3, whatever their width: every block more than doubles the signal.

kind: activations-change-scale-with-depth
also: initial-loss-too-high, exploding-gradients, non-finite-loss
tasks: tiles, shapes
source: synthetic, row 47
"""

import sys

import torch
from tasks import load
from torch import nn

DEPTH = 8


def init_weights(module):
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, std=0.3)  # sick here
        # fixed: nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


class PlainNet(nn.Module):
    def __init__(self, channels, classes, width=16):
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(DEPTH)])
        self.head = nn.Linear(width, classes)
        self.apply(init_weights)  # here

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for block in self.blocks:
            x = torch.relu(block(x))  # here
        return self.head(x.amax(dim=(2, 3)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = PlainNet(task.inputs, task.outputs)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for step in range(200):
    rows = torch.randint(len(task.x), (32,))
    loss = nn.functional.cross_entropy(net(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimizer.step()
    if step % 40 == 0:
        print(f"step {step} loss {loss.item():.3g}")
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
