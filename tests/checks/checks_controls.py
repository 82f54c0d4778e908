"""Healthy trainings that naive checks would flag: the whole list, each a function from a seed to a subject.

The functions live in `controls_*.py` beside this file, by what is unusual about them. Every one of them trains well.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated

Make = Callable[[], Subject]


@functools.cache
def gathered() -> dict[str, Make]:
    """Return the controls of all files by name; a name that two files use would hide a control, and raises."""
    found: dict[str, Make] = {}
    for file in sorted(Path(__file__).parent.glob("controls_*.py")):
        for name, make in importlib.import_module(file.stem).CONTROLS.items():
            if name in found:
                raise ValueError(f"two controls are called {name}")
            found[name] = make
    return found


def control(name: str, seed: int) -> Subject:
    """Return one control as it comes out under a seed: data, weights and all."""
    with isolated(seed, name):
        return gathered()[name]()


def named(*makes: Make) -> dict[str, Make]:
    """Return functions under their names, in words."""
    return {make.__name__.replace("_", " "): make for make in makes}


def blobs(samples: int = 192, features: int = 8, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Return standardised `(samples, features)` around a centre for each class, some overlapping, and the class ids."""
    centres = 1.6 * torch.randn(classes, features)
    y = torch.arange(samples)[torch.randperm(samples)] % classes
    x = centres[y] + torch.randn(samples, features)
    return (x - x.mean(0)) / x.std(0), y


def curve(samples: int = 192, features: int = 6, outputs: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and standardised targets `(samples, outputs)` that a small network can learn, with some noise."""
    x = torch.randn(samples, features)
    y = torch.sin(x @ torch.randn(features, outputs)) + x @ torch.randn(features, outputs) / 2
    y = y + 0.1 * torch.randn(samples, outputs)
    return x, (y - y.mean(0)) / y.std(0)


def images(samples: int = 96, channels: int = 1, size: int = 8, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return standardised images of which each class has a pattern of its own, and the class ids."""
    patterns = torch.randn(classes, channels, size, size)
    y = torch.arange(samples)[torch.randperm(samples)] % classes
    return (patterns[y] + torch.randn(samples, channels, size, size)) / 2**0.5, y


def sequences(samples: int = 96, length: int = 8, tokens: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids `(samples, length)` and the class of each: whether low or high tokens prevail."""
    y = torch.arange(samples)[torch.randperm(samples)] % 2
    low = torch.randint(0, tokens // 2, (samples, length))
    high = torch.randint(tokens // 2, tokens, (samples, length))
    return torch.where(torch.rand(samples, length) < 0.75, *_by_class(low, high, y)), y


def _by_class(low: torch.Tensor, high: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = y[:, None] == 1
    return torch.where(chosen, high, low), torch.where(chosen, low, high)


def perceptron(features: int, outputs: int, width: int = 24, depth: int = 2) -> nn.Sequential:
    """Return a plain network with ReLUs, initialised after He."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    network = nn.Sequential(*layers, nn.Linear(features, outputs))
    for layer in list(network)[:-1]:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return network


def adam(model: nn.Module, rate: float = 3e-3) -> torch.optim.Optimizer:
    """Return Adam over what is to be trained."""
    return torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=rate)


def trained(model: nn.Module, loss: Callable[..., torch.Tensor], x: torch.Tensor, y: torch.Tensor, steps: int) -> None:
    """Train for some steps, so that the model comes out as a pretrained one does."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    optimizer.zero_grad()
