"""Adam finds the valley, and L-BFGS with a strong Wolfe search goes down to its floor in a few large steps;
trips rules on a second optimizer, on several backward passes to a step and on the same batch every time.

control: 19, L-BFGS as a finish
tasks: surface, curve
score: 0.9
"""

import sys

import torch
from tasks import load
from torch import nn


class Fit:
    def __init__(self, model, x, y):
        self.model, self.x, self.y = model, x, y
        self.evaluations = 0

    def loss(self):
        self.evaluations += 1
        return nn.functional.mse_loss(self.model(self.x), self.y)

    def coarse(self, steps):
        optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-2)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            optimizer.step()
        return loss.item()

    def fine(self, steps):
        optimizer = torch.optim.LBFGS(self.model.parameters(), max_iter=10, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            return loss

        for _ in range(steps):
            loss = optimizer.step(closure)
        return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
fit = Fit(nn.Sequential(nn.Linear(task.inputs, 24), nn.Tanh(), nn.Linear(24, 1)), task.x, task.y)
print(f"after Adam {fit.coarse(200):.5f}")
print(f"after L-BFGS {fit.fine(12):.5f}, {fit.evaluations} evaluations")
with torch.no_grad():
    print(f"score {1 - nn.functional.mse_loss(fit.model(task.x_held_out), task.y_held_out).item():.4f}")
