"""Dropout was meant to keep 95 per cent of the units and drops them.

kind: dropout-too-strong
tasks: digits, blobs, wine
source: row 39
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.fc1 = nn.Linear(n_in, 48)
        self.fc2 = nn.Linear(48, 48)
        self.fc3 = nn.Linear(48, n_out)
        self.drop = nn.Dropout(0.95)  # sick here
        # fixed: self.drop = nn.Dropout(0.05)

    def forward(self, x):
        x = self.drop(F.relu(self.fc1(x)))  # here
        x = self.drop(F.relu(self.fc2(x)))  # here
        return self.fc3(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Net(task.inputs, task.outputs)
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
for epoch in range(8):
    model.train()
    for x, y in loader:
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", f"{loss.item():.3f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
