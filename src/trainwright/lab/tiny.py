"""Small data sets and networks for trainings that take a second: functions of a seed, made with torch alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from trainwright.parts.models import build
from trainwright.randomness import generator
from trainwright.records import DataShape

Pair = tuple[torch.Tensor, torch.Tensor]


def moons(count: int, seed: int, *, noise: float = 0.25, flipped: float = 0.0) -> Pair:
    """Return two half circles that reach into each other: x `(count, 2)`, y int64 `(count,)` of two classes.

    `flipped` is the share of labels that are wrong.
    """
    draws = generator(seed, "moons")
    angle = math.pi * torch.rand(count, generator=draws)
    y = torch.arange(count) % 2
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], 1)
    x = torch.where((y == 0)[:, None], upper, lower) + noise * torch.randn(count, 2, generator=draws)
    wrong = torch.rand(count, generator=draws) < flipped
    return x, torch.where(wrong, 1 - y, y)


def clusters(count: int, seed: int, *, classes: int = 4, features: int = 8, spread: float = 1.0) -> Pair:
    """Return `classes` clouds around centres that do not depend on the seed: x `(count, features)`, y int64."""
    centres = 1.5 * torch.randn(classes, features, generator=generator(0, "centres", classes, features))
    draws = generator(seed, "clusters")
    y = torch.arange(count) % classes
    return centres[y] + spread * torch.randn(count, features, generator=draws), y


def wave(count: int, seed: int, *, noise: float = 0.2) -> Pair:
    """Return a noisy sine over [-1, 1]: x `(count, 1)`, y float `(count, 1)`."""
    draws = generator(seed, "wave")
    x = 2 * torch.rand(count, 1, generator=draws) - 1
    return x, torch.sin(3 * x) + noise * torch.randn(count, 1, generator=draws)


def network(
    inputs: int,
    outputs: int,
    *,
    width: int = 16,
    depth: int = 1,
    dropout: float = 0.0,
    norm: str = "none",
    activation: str = "relu",
    regression: bool = False,
) -> Callable[[], nn.Module]:
    """Return what builds the catalogue's fully connected network, under the seed of whoever calls it."""
    shape = DataShape(input_shape=(inputs,), outputs=outputs, task="regression" if regression else "classification")
    options = {"width": width, "depth": depth, "dropout": dropout, "norm": norm, "activation": activation}
    return lambda: build("mlp", shape, options)
