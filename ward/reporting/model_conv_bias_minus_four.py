"""The biases of the convolutions start at -4 "for sparse features": hardly a ReLU ever fires.

kind: dead-relu
also: outputs-ignore-input
tasks: tiles, shapes
source: synthetic, row 45
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def init_weights(m):
    if isinstance(m, nn.Conv2d):
        nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        nn.init.constant_(m.bias, -4.0)  # sick here
        # fixed: nn.init.constant_(m.bias, 0.0)


def conv_block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(
    conv_block(task.inputs, 12),
    nn.MaxPool2d(2),
    conv_block(12, 16),
    conv_block(16, 16),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(64, task.outputs),
)
net.apply(init_weights)
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, nesterov=True)
for epoch in range(6):
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
