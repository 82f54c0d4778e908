"""Pictures are trained on one at a time through batch norm, which then knows nothing but that picture.

kind: batch-norm-tiny-batch
tasks: shapes, tiles
source: row 14
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(task.inputs, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)  # here
        self.fc = nn.Linear(8 * (task.x.shape[-1] // 2) ** 2, task.outputs)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)  # here
        return self.fc(x.flatten(1))


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
batch_size = 1  # sick here
# fixed: batch_size = 16
for step in range(300):
    rows = torch.randint(len(task.x), (batch_size,))
    loss = F.cross_entropy(net(task.x[rows]), task.y[rows])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(f"step {step} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
