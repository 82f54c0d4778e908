"""The shift of each batch norm starts at minus six, so the ReLU behind it hears nothing.

kind: dead-relu
tasks: shapes, tiles
source: synthetic, row 45
"""

import sys

import torch
from tasks import load
from torch import nn


def conv_block(channels_in, channels_out):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),  # here
        nn.MaxPool2d(2),
    )


def initialise(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        # fixed: nn.init.zeros_(module.bias)
        nn.init.constant_(module.bias, -6.0)  # sick here


class Net(nn.Module):
    def __init__(self, channels, classes, side):
        super().__init__()
        self.features = nn.Sequential(conv_block(channels, 12), conv_block(12, 24))
        self.classifier = nn.Linear(24 * (side // 4) ** 2, classes)
        self.apply(initialise)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Net(task.inputs, task.outputs, task.x.shape[-1])
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
for epoch in range(5):
    model.train()
    for rows in torch.randperm(len(task.x)).split(50):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
