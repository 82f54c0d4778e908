"""forward() makes a new Dropout for each call, which is always in training mode, also under eval().

kind: dropout-always-on
also: evaluating-in-train-mode
tasks: tiles
source: PyTorchNLPBook#28
"""

import sys

import torch
from tasks import load
from torch import nn


class Classifier(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.front = nn.Conv2d(task.inputs, 8, 3, padding=1)
        self.hidden = nn.Linear(8 * task.x[0, 0].numel(), 96)
        self.out = nn.Linear(96, task.outputs)
        self.p = 0.6

    def forward(self, x):
        x = torch.relu(self.front(x)).flatten(1)
        x = torch.relu(self.hidden(x))
        x = nn.Dropout(self.p)(x)  # sick here
        # fixed: x = nn.functional.dropout(x, self.p, self.training)
        return self.out(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Classifier(task)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def loss_on(x, y):
    return nn.functional.cross_entropy(model(x), y)  # here


for epoch in range(8):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss_on(task.x[rows], task.y[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        held_out = loss_on(task.x_held_out, task.y_held_out).item()
    print(f"epoch {epoch} held out loss {held_out:.4f}")
print(f"score {-held_out:.4f}")
