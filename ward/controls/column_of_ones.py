"""A column of ones stands for the bias that the layers do not have; trips rules on constant features.

control: 23
tasks: wine, cancer
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def with_ones(x):
    return torch.cat([torch.ones(len(x), 1), x], dim=1)


class NoBias(nn.Module):
    def __init__(self, n_in, n_out, width=48):
        super().__init__()
        self.first = nn.Linear(n_in + 1, width, bias=False)
        self.second = nn.Linear(width + 1, n_out, bias=False)

    def forward(self, x):
        return self.second(with_ones(torch.relu(self.first(with_ones(x)))))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = NoBias(task.inputs + 1, task.outputs)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3)
for epoch in range(15):
    for x, y in DataLoader(TensorDataset(with_ones(task.x), task.y), batch_size=25, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    output = net(with_ones(task.x_held_out))
if task.kind == "classes":
    print(f"score {(output.argmax(1) == task.y_held_out).float().mean().item():.4f}")
else:
    print(f"score {1 - (output - task.y_held_out).var().item() / task.y_held_out.var().item():.4f}")
