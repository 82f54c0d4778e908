"""The net of a kernel experiment measures itself with eval() after each epoch, and fit() never calls train() again.

kind: training-in-eval-mode
also: overfitting
tasks: diabetes, topics
source: mmd#14
"""

import argparse

import torch
from tasks import load
from torch import nn


class Learner(nn.Module):
    def __init__(self, inputs, outputs, loss):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 200), nn.ReLU(), nn.Dropout(0.7))
        self.middle = nn.Sequential(nn.Linear(200, 100), nn.ReLU(), nn.Dropout(0.7))
        self.last = nn.Linear(100, outputs)
        self.loss = loss
        self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)

    def forward(self, x):
        return self.last(self.middle(self.body(x)))

    def measure(self, x, y):
        self.eval()  # here
        with torch.no_grad():
            return self.loss(self(x), y).item()

    def fit(self, x, y, x_val, y_val, epochs):
        for epoch in range(epochs):
            # fixed: self.train()
            for rows in torch.randperm(len(x)).split(16):
                self.optimizer.zero_grad()
                loss = self.loss(self(x[rows]), y[rows])  # here
                loss.backward()
                self.optimizer.step()
            value = self.measure(x_val, y_val)
            if epoch % 20 == 0:
                print(f"{epoch:3d} {loss.item():.4f} {value:.4f}")


parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int)
parser.add_argument("task")
options = parser.parse_args()
torch.manual_seed(options.seed)
task = load(options.task, options.seed)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
learner = Learner(task.inputs, task.outputs, criterion)
learner.fit(task.x[:48], task.y[:48], task.x_held_out, task.y_held_out, epochs=100)
print(f"score {-learner.measure(task.x_held_out, task.y_held_out):.4f}")
