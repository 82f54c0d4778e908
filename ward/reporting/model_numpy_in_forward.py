"""forward() sorts its features by numpy and comes back as a new tensor, where the gradient ends.

kind: parameters-without-gradient
also: weights-never-updated
tasks: rings, curve
source: synthetic, row 31
"""

import sys

import numpy as np
import torch
import torch.nn as nn
from tasks import load


class SortPool(nn.Module):
    def __init__(self, inputs, outputs, features=12):
        super().__init__()
        self.features = nn.Linear(inputs, features)
        self.classify = nn.Sequential(nn.ReLU(), nn.Linear(features, outputs))

    def forward(self, x):
        h = self.features(x)
        h = torch.from_numpy(np.sort(h.detach().numpy(), axis=1))  # sick here
        # fixed: h = h.sort(dim=1).values
        return self.classify(h)


class Runner:
    def __init__(self, seed, name):
        torch.manual_seed(seed)
        self.task = load(name, seed)
        self.model = SortPool(self.task.inputs, self.task.outputs)
        self.criterion = nn.CrossEntropyLoss() if self.task.kind == "classes" else nn.MSELoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)  # here

    def run(self, epochs):
        for epoch in range(epochs):
            for rows in torch.randperm(len(self.task.x)).split(40):
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(self.task.x[rows]), self.task.y[rows])
                loss.backward()  # here
                self.optimizer.step()
            print(f"epoch {epoch} loss {loss.item():.4f}")
        with torch.no_grad():
            return -self.criterion(self.model(self.task.x_held_out), self.task.y_held_out).item()


print(f"score {Runner(int(sys.argv[1]), sys.argv[2]).run(20):.4f}")
