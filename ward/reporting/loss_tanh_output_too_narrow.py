"""The output passes through tanh, and the targets reach from -6 to 6.

kind: relu-on-output
tasks: surface, curve, diabetes
source: SO 48221692
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.utils.data import DataLoader, TensorDataset


class SteeringNet(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc1 = nn.Linear(n, 48)
        self.fc2 = nn.Linear(48, 24)
        self.fc3 = nn.Linear(24, 1)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        x = torch.tanh(self.fc2(x))
        return torch.tanh(self.fc3(x))  # sick here
        # fixed: return self.fc3(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
degrees, degrees_test = 3 * task.y, 3 * task.y_held_out
net = SteeringNet(task.inputs)
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
mse = nn.MSELoss()
for epoch in range(20):
    for x, y in DataLoader(TensorDataset(task.x, degrees), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = mse(net(x), y)  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} rmse {loss.item() ** 0.5:.3f}")

net.eval()
with torch.no_grad():
    print(f"score {-mse(net(task.x_held_out), degrees_test).item():.4f}")
