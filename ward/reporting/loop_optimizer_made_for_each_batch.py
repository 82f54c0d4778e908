"""train_batch makes its own optimizer, so the momentum is empty again at each step.

kind: optimizer-recreated
also: learning-rate-too-low
tasks: digits, surface
source: synthetic, row 73
"""

import sys
from types import SimpleNamespace

import torch
from tasks import load
from torch import nn

config = SimpleNamespace(lr=0.003, momentum=0.95, epochs=8, batch=32, hidden=48)


def train_batch(model, optimizer, criterion, x, y):
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum)  # sick here
    model.train()
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def evaluate(model, criterion, x, y):
    model.eval()
    with torch.no_grad():
        return criterion(model(x), y).item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, config.hidden), nn.ReLU(), nn.Linear(config.hidden, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
for epoch in range(config.epochs):
    for rows in torch.randperm(len(task.x)).split(config.batch):
        loss = train_batch(model, optimizer, criterion, task.x[rows], task.y[rows])
    held_out = evaluate(model, criterion, task.x_held_out, task.y_held_out)
    print(f"epoch {epoch} train {loss:.4f} held out {held_out:.4f}")
print(f"score {-evaluate(model, criterion, task.x_held_out, task.y_held_out):.4f}")
