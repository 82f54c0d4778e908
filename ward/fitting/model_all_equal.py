"""The hidden layers are filled with one constant, which makes each of them as good as one unit.

kind: symmetric-initialisation
tasks: digits, rings, surface
source: row 48
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Perceptron(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super().__init__()
        self.w = nn.Parameter(torch.full((n_in, n_hidden), 0.05))  # sick here
        # fixed: self.w = nn.Parameter(torch.randn(n_in, n_hidden) * n_in**-0.5)
        self.b = nn.Parameter(torch.zeros(n_hidden))
        self.v = nn.Parameter(torch.full((n_hidden, n_out), 0.05))  # sick here
        # fixed: self.v = nn.Parameter(torch.randn(n_hidden, n_out) * n_hidden**-0.5)
        self.c = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return torch.tanh(x @ self.w + self.b) @ self.v + self.c


def objective(out, y):
    return F.mse_loss(out, y) if y.is_floating_point() else F.cross_entropy(out, y)


def quality(out, y):
    if y.is_floating_point():
        return 1 - F.mse_loss(out, y) / y.var()
    return (out.argmax(1) == y).float().mean()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Perceptron(task.inputs, 48, task.outputs)
adam = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(400):
    pick = torch.randint(len(task.x), (32,))
    loss = objective(model(task.x[pick]), task.y[pick])
    adam.zero_grad()
    loss.backward()  # here
    adam.step()
    if step % 80 == 0:
        print(f"{step} {loss.item():.4f}")

with torch.no_grad():
    print(f"score {quality(model(task.x_held_out), task.y_held_out):.4f}")
