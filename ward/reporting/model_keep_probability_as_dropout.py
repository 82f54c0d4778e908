"""0.9 was meant as the probability to keep a unit, as in an older framework, and is the one to drop it.

kind: dropout-too-strong
also: underfitting
tasks: digits, surface
source: synthetic, row 39
"""

import sys

import torch
import torch.nn as nn
from tasks import load

KEEP_PROB = 0.9


class Net(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.fc1 = nn.Linear(n_in, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, n_out)
        self.drop = nn.Dropout(p=KEEP_PROB)  # sick here
        # fixed: self.drop = nn.Dropout(p=1 - KEEP_PROB)

    def forward(self, x):
        x = self.drop(torch.relu(self.fc1(x)))  # here
        x = self.drop(torch.relu(self.fc2(x)))
        return self.fc3(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task.inputs, task.outputs)
loss_fn = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adamax(net.parameters(), lr=5e-3)
for epoch in range(15):
    net.train()
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = loss_fn(net(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        held_out = loss_fn(net(task.x_held_out), task.y_held_out).item()
    print(f"epoch {epoch} train {loss.item():.4f} held out {held_out:.4f}")
print(f"score {-held_out:.4f}")
