"""A sigmoid ends the network, and the targets run far beyond 1.

kind: relu-on-output
also: targets-not-scaled, saturated-activations
tasks: curve, surface, diabetes
source: SO 48221692
"""

import sys

import torch
from tasks import load
from torch import nn, optim


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc1 = nn.Linear(n, 60)
        self.fc2 = nn.Linear(60, 1)

    def forward(self, x):
        x = torch.sigmoid(self.fc1(x))
        return torch.sigmoid(self.fc2(x))  # sick here
        # fixed: return self.fc2(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
price, price_test = 5 + 2 * task.y, 5 + 2 * task.y_held_out
net = Net(task.inputs)
optimizer = optim.Adam(net.parameters(), lr=0.02)
criterion = nn.MSELoss()
for i in range(500):
    take = torch.randint(0, len(price), (32,))
    optimizer.zero_grad()
    outputs = net(task.x[take])
    loss = criterion(outputs, price[take])  # here
    loss.backward()
    optimizer.step()
    if i % 100 == 0:
        print(f"{i} loss: {loss.item():.3f}")

with torch.no_grad():
    r2 = 1 - criterion(net(task.x_held_out), price_test) / price_test.var()
print(f"score {r2.item():.4f}")
