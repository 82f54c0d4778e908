"""After each validation `model.training = True` is set by hand, which reaches the top module and none below it.

kind: training-in-eval-mode
tasks: diabetes
source: synthetic, row 96
"""

import sys

import torch
from tasks import load
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.hidden = nn.Linear(inputs, 96)
        self.drop = nn.Dropout(0.5)
        self.middle = nn.Linear(96, 96)
        self.out = nn.Linear(96, outputs)

    def forward(self, x):
        x = self.drop(torch.relu(self.hidden(x)))  # here
        return self.out(self.drop(torch.relu(self.middle(x))))  # here


def validate(model, criterion, x, y):
    model.eval()  # here
    with torch.no_grad():
        loss = criterion(model(x), y).item()
    # fixed: model.train()
    model.training = True  # sick here
    return loss


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
cut = len(task.x) // 2
model = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(60):
    for rows in torch.randperm(cut).split(16):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    validation = validate(model, criterion, task.x[cut:], task.y[cut:])
    if epoch % 10 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} validation {validation:.4f}")
print(f"score {-validate(model, criterion, task.x_held_out, task.y_held_out):.4f}")
