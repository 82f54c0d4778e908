"""The rate is brought down by building the optimizer anew with a smaller one, every eight batches.

kind: optimizer-recreated
tasks: digits
source: row 73
"""

import sys

import torch
from tasks import load
from torch import nn


class Learner:
    def __init__(self, model, criterion, rate, decay, every):
        self.model, self.criterion = model, criterion
        self.rate, self.decay, self.every, self.steps = rate, decay, every, 0
        self.optimizer = self.make()

    def make(self):
        return torch.optim.Adam(self.model.parameters(), lr=self.rate, betas=(0.95, 0.999))

    def slow_down(self):
        self.rate *= self.decay
        # fixed: self.optimizer.param_groups[0]["lr"] = self.rate
        self.optimizer = self.make()  # sick here

    def learn(self, x, y):
        loss = self.criterion(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        if self.steps % self.every == 0:
            self.slow_down()  # here
        return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, task.outputs))
learner = Learner(net, criterion, rate=1e-2, decay=0.98, every=8)
for epoch in range(25):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = learner.learn(task.x[rows], task.y[rows])
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss:.4f} rate {learner.rate:.5f}")

with torch.no_grad():
    print(f"score {-criterion(net(task.x_held_out), task.y_held_out).item():.4f}")
