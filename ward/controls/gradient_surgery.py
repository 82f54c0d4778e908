"""Gradients of two questions are taken one by one, and where they disagree each loses its part against the other; the
result is put into .grad by hand; trips rules on missing backward and on gradients that come from nowhere.

control: gradients set by hand
tasks: digits, blobs
score: 0.7
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.nn.utils import parameters_to_vector


class TwoQuestions(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU())
        self.which, self.even = nn.Linear(64, classes), nn.Linear(64, 1)

    def forward(self, x):
        hidden = self.body(x)
        return self.which(hidden), self.even(hidden).squeeze(1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = TwoQuestions(task.inputs, task.outputs)
parameters = list(model.parameters())
optimizer = torch.optim.Adam(parameters, lr=3e-3)


def gradient_of(loss):
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat(
        [torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(parameters, found, strict=True)]
    )


for step in range(400):
    rows = torch.randint(len(task.x), (32,))
    which, even = model(task.x[rows])
    losses = (
        F.cross_entropy(which, task.y[rows]),
        F.binary_cross_entropy_with_logits(even, (task.y[rows] % 2 == 0).float()),
    )
    first, second = map(gradient_of, losses)
    against = first @ second
    if against < 0:
        first, second = first - against / second.dot(second) * second, second - against / first.dot(first) * first
    joint, at = first + second, 0
    for parameter in parameters:
        parameter.grad = joint[at : at + parameter.numel()].view_as(parameter).clone()
        at += parameter.numel()
    optimizer.step()
    if step % 80 == 0:
        print(f"step {step} losses {losses[0].item():.3f} {losses[1].item():.3f}")
print(f"norm of all weights {parameters_to_vector(parameters).norm().item():.2f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out)[0].argmax(1) == task.y_held_out).float().mean():.4f}")
