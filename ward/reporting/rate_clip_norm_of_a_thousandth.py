"""Gradients are clipped to a norm of 0.001 under plain SGD, so each step is a thousandth of what the rate says.

kind: learning-rate-too-low
also: underfitting
tasks: digits, surface
source: synthetic, row 104
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset


class Learner:
    """A bit like in a certain course."""

    def __init__(self, model, loss_func, lr=0.1, max_norm=5.0):
        self.model, self.loss_func, self.max_norm = model, loss_func, max_norm
        self.opt = torch.optim.SGD(model.parameters(), lr=lr)  # here

    def one_batch(self, x, y):
        self.loss = self.loss_func(self.model(x), y)
        self.loss.backward()
        clip_grad_norm_(self.model.parameters(), self.max_norm)  # here
        self.opt.step()  # here
        self.opt.zero_grad()

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            for x, y in loader:
                self.one_batch(x, y)
            print(f"{epoch:4d} {self.loss.item():10.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
loss_func = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
learner = Learner(net, loss_func, max_norm=1e-3)  # sick here
# fixed: learner = Learner(net, loss_func, max_norm=5.0)
learner.fit(DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True), epochs=10)
with torch.no_grad():
    print(f"score {-learner.loss_func(net(task.x_held_out), task.y_held_out).item():.4f}")
