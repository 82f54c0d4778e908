"""The update by hand assigns a new tensor to the name of the loop, and the list of weights keeps the old ones.

kind: weights-never-updated
also: missing-optimizer-step
tasks: curve, surface
source: row 72
"""

import sys

import torch
from tasks import load

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
HIDDEN = 64

w1 = (torch.randn(task.inputs, HIDDEN)).requires_grad_()
b1 = torch.randn(HIDDEN).requires_grad_()
w2 = (torch.randn(HIDDEN, 1) / HIDDEN**0.5).requires_grad_()
b2 = torch.zeros(1, requires_grad=True)
weights = [w1, b1, w2, b2]


def predict(x):
    return torch.tanh(x @ w1 + b1) @ w2 + b2


def sgd(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            # fixed: parameter -= lr * parameter.grad
            parameter = parameter - lr * parameter.grad  # sick here


for iteration in range(1500):
    rows = torch.randint(len(task.x), (40,))
    for weight in weights:
        weight.grad = None
    loss = (predict(task.x[rows]) - task.y[rows]).pow(2).mean()
    loss.backward()  # here
    sgd(weights, lr=0.05)
    if iteration % 300 == 0:
        print(iteration, loss.item())

with torch.no_grad():
    print(f"score {1 - (predict(task.x_held_out) - task.y_held_out).pow(2).mean().item():.4f}")
