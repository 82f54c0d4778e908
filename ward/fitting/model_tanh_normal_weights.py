"""Weights of a wide tanh net are drawn with deviation 1, and every unit stands at -1 or 1.

kind: saturated-activations
also: initial-loss-too-high
tasks: digits, surface, diabetes
source: SO 48385830
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.parameter import Parameter


class Dense(nn.Module):
    """A layer of one's own, as in the course."""

    def __init__(self, n_in, n_out, scale=None):
        super().__init__()
        scale = scale or 1.0  # sick here
        # fixed: scale = scale or n_in**-0.5
        self.w = Parameter(torch.randn(n_in, n_out) * scale)
        self.b = Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.w + self.b


class TanhNet(nn.Module):
    def __init__(self, n_in, n_out, width=128):
        super().__init__()
        self.hidden = nn.ModuleList([Dense(n_in, width), Dense(width, width), Dense(width, width)])
        self.out = Dense(width, n_out, scale=0.05)
        self.act = nn.Tanh()

    def forward(self, x):
        for layer in self.hidden:
            x = self.act(layer(x))  # here
        return self.out(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = TanhNet(task.inputs, task.outputs)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(15):
    for rows in torch.randperm(len(task.x)).split(40):
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
