"""Ten layers of ReLU are drawn with a fifth of the deviation that keeps a signal's size.

kind: activations-change-scale-with-depth
tasks: blobs
up: deviation of what the layer gives
across: layer
shows: Each layer of the sick network makes the signal smaller by the same factor.
finds: verify
"""

import torch
from tasks import load
from torch import nn

import trainwright as tw

torch.manual_seed(0)
task = load("blobs", 0)
layers = []
for inputs in (8, *[32] * 9):
    layers += [nn.Linear(inputs, 32), nn.ReLU()]
    deviation = (2 / inputs) ** 0.5
    nn.init.normal_(layers[-2].weight, std=deviation / 5)  # sick
    # fixed: nn.init.normal_(layers[-2].weight, std=deviation)
    nn.init.zeros_(layers[-2].bias)
model = nn.Sequential(*layers, nn.Linear(32, task.outputs))
told = tw.verify(model, "cross_entropy", (task.x, task.y), checks=["initial-signal"]).findings
signal, shown = task.x, []
for place, layer in enumerate(layers):
    signal = layer(signal).detach()
    if place % 2:
        shown.append((place // 2 + 1, signal.std().item()))
