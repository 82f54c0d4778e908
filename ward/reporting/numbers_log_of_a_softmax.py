"""The likelihood is log(softmax) in two steps, and a probability that underflows makes it infinite.

kind: non-finite-loss
also: learning-rate-too-high
tasks: digits, blobs
source: synthetic, row 106
"""

import sys

import torch
from tasks import load
from torch import nn


class Net(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_in, 64), nn.ReLU(), nn.Linear(64, n_out))
        self.temperature = 0.004

    def forward(self, x):
        return self.body(x) / self.temperature


def nll(scores, labels):
    probabilities = torch.softmax(scores, dim=1)
    logs = torch.log(probabilities)  # sick here
    # fixed: logs = torch.log_softmax(scores, dim=1)
    return -logs.gather(1, labels[:, None]).mean()  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(50):
        optimizer.zero_grad()
        loss = nll(model(task.x[rows]), task.y[rows])  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} nll {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
