"""A convolutional net with a rate of 1 under momentum 0.9: the loss jumps about and does not come down.

kind: learning-rate-too-high
also: dead-relu, collapsed-predictions, exploding-gradients
tasks: tiles, shapes
source: SO 37624102
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn, optim


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.fc1 = nn.LazyLinear(32)
        self.fc2 = nn.Linear(32, classes)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        return self.fc2(F.relu(self.fc1(x)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
net = Net(data.inputs, data.outputs)
net(data.x[:1])
criterion = nn.CrossEntropyLoss()
learning_rate = 1.0  # sick here
# fixed: learning_rate = 0.02
optimizer = optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9)  # here

running_loss = 0.0
for i in range(240):
    pick = torch.randint(len(data.x), (32,))
    optimizer.zero_grad()
    loss = criterion(net(data.x[pick]), data.y[pick])
    loss.backward()
    optimizer.step()
    running_loss += loss.item()
    if i % 40 == 39:
        print(f"[{i + 1:4d}] loss: {running_loss / 40:.3f}")
        running_loss = 0.0

net.eval()
with torch.no_grad():
    print(f"score {(net(data.x_held_out).argmax(1) == data.y_held_out).float().mean().item():.4f}")
