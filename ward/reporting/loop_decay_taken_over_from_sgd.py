"""A recipe for SGD is taken over with its weight decay, which Adam puts into the gradient, where it outweighs the loss.

kind: l2-inside-adam
also: weight-decay-too-strong, underfitting
tasks: curve, surface, rings
source: synthetic, row 74
"""

import sys

import torch
from tasks import load
from torch import nn

RECIPE = {"lr": 5e-3, "weight_decay": 5e-2}


def build_optimizer(kind, parameters, **options):
    return getattr(torch.optim, kind)(parameters, **options)  # here


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task.inputs, task.outputs)
optimizer = build_optimizer("Adam", net.parameters(), **RECIPE)  # sick here
# fixed: optimizer = build_optimizer("AdamW", net.parameters(), **RECIPE)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
for epoch in range(30):
    for rows in torch.randperm(len(task.x)).split(50):
        optimizer.zero_grad()
        loss = criterion(net(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 6 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-criterion(net(task.x_held_out), task.y_held_out):.4f}")
