"""MAML: an inner step by autograd.grad with create_graph, through which the outer loss is differentiated; the module is
called with weights that are not its own; trips rules on double backward and on weights that never change by themselves.

control: meta-learning of the second order
tasks: own
score: 0.55
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call


def wave(count):
    """Return points of a sine whose height and phase are drawn anew."""
    height, phase = 0.5 + 1.5 * torch.rand(1), torch.pi * torch.rand(1)
    x = 6 * torch.rand(count, 1) - 3
    return x, height * torch.sin(x + phase)


def adapted(model, x, y, steps, rate=0.05, *, create_graph):
    weights = dict(model.named_parameters())
    for _ in range(steps):
        loss = F.mse_loss(functional_call(model, weights, (x,)), y)
        gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=create_graph)
        weights = {name: w - rate * g for (name, w), g in zip(weights.items(), gradients, strict=True)}
    return weights


seed = int(sys.argv[1])
torch.manual_seed(seed)
model = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
outer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(350):
    outer.zero_grad()
    total = 0.0
    for _ in range(4):
        x, y = wave(20)
        weights = adapted(model, x[:10], y[:10], 1, create_graph=True)
        loss = F.mse_loss(functional_call(model, weights, (x[10:],)), y[10:]) / 4
        loss.backward()
        total += loss.item()
    outer.step()
    if step % 70 == 0:
        print(f"step {step} loss after one inner step {total:.3f}")

left, whole = 0.0, 0.0
for _ in range(60):
    x, y = wave(60)
    weights = adapted(model, x[:10], y[:10], 5, create_graph=False)
    with torch.no_grad():
        left += F.mse_loss(functional_call(model, weights, (x[10:],)), y[10:]).item()
        whole += y[10:].pow(2).mean().item()
print(f"score {1 - left / whole:.4f}")
