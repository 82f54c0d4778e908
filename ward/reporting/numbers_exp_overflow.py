"""The softplus is written as log(1 + exp(x)), and exp overflows as soon as the scale of the inputs allows it.

kind: non-finite-loss
tasks: curve, surface, digits
source: synthetic, row 107
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


def softplus(x):
    return torch.log(1 + torch.exp(x))  # sick here
    # fixed: return F.softplus(x)


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.fc1 = nn.Linear(inputs, 64)
        self.fc2 = nn.Linear(64, outputs)
        self.gain = nn.Parameter(torch.full((64,), 80.0))

    def forward(self, x):
        return self.fc2(softplus(self.fc1(x) * self.gain) / self.gain)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(25):
    for rows in torch.randperm(len(task.x)).split(40):
        optimizer.zero_grad()
        loss = loss_fn(net(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {-loss_fn(net(task.x_held_out), task.y_held_out).item():.4f}")
