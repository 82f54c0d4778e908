"""The mean of the batch is divided by the size of the batch once more, and the loss starts far below log C.

kind: initial-loss-too-low
also: learning-rate-too-low
tasks: digits, shapes
source: row 50
"""

import sys

import torch
from tasks import load
from torch import nn


class Trainer:
    def __init__(self, model, lr, batch_size):
        self.model, self.batch_size = model, batch_size
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        self.criterion = nn.CrossEntropyLoss()
        self.history = []

    def loss(self, x, y):
        # fixed: return self.criterion(self.model(x), y)
        return self.criterion(self.model(x), y) / len(x)  # sick here

    def fit(self, x, y, epochs):
        for epoch in range(epochs):
            self.model.train()
            losses = []
            for rows in torch.randperm(len(x)).split(self.batch_size):
                loss = self.loss(x[rows], y[rows])
                self.optimizer.zero_grad()
                loss.backward()  # here
                self.optimizer.step()
                losses.append(loss.item())
            self.history.append(sum(losses) / len(losses))
            print(f"epoch {epoch + 1}/{epochs} loss {self.history[-1]:.5f}")

    @torch.no_grad()
    def accuracy(self, x, y):
        self.model.eval()
        return (self.model(x).argmax(1) == y).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_held_out = task.x.flatten(1), task.x_held_out.flatten(1)
trainer = Trainer(nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, task.outputs)), 0.1, 64)
trainer.fit(x, task.y, epochs=8)
print(f"score {trainer.accuracy(x_held_out, task.y_held_out):.4f}")
