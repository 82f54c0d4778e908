"""autograd.grad and a subtraction under no_grad, weights as bare tensors: no module, no backward(), no optimizer;
trips every automaton.

control: manual update (19)
tasks: digits, blobs, rings
score: 0.8
"""

import math
import sys

import torch
from tasks import load

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


def init(n_in, n_out):
    return [torch.randn(n_in, n_out) * math.sqrt(2 / n_in), torch.zeros(n_out)]


weights = [w.requires_grad_() for w in init(task.inputs, 64) + init(64, task.outputs)]


def model(x):
    w1, b1, w2, b2 = weights
    return torch.relu(x @ w1 + b1) @ w2 + b2


def nll(logits, y):
    return -logits.log_softmax(-1)[torch.arange(len(y)), y].mean()


for i in range(600):
    rows = torch.randint(len(task.x), (64,))
    loss = nll(model(task.x[rows]), task.y[rows])
    gradients = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for w, g in zip(weights, gradients, strict=True):
            w -= 0.1 * g
    if i % 150 == 0:
        print(f"{i}: {loss.item():.4f}")
with torch.no_grad():
    accuracy = (model(task.x_held_out).argmax(-1) == task.y_held_out).float().mean()
print(f"score {accuracy.item():.4f}")
