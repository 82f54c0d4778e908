"""Activations that a network can be asked for by name, and the gain that keeps a signal's size through each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

CATALOGUE: Mapping[str, type[nn.Module]] = MappingProxyType(
    {
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
    }
)

SATURATING = (nn.Tanh, nn.Sigmoid)
"""Level on both sides: the activations that Glorot's initialisation was derived for (G4)."""

ELEMENTWISE = (
    *CATALOGUE.values(),
    nn.ReLU6,
    nn.SELU,
    nn.CELU,
    nn.Mish,
    nn.Softplus,
    nn.Softsign,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.LogSigmoid,
)
"""torch's non-linearities that work on each number alone and have no weights."""


def is_activation(module: nn.Module) -> bool:
    """Say whether a module is one of `ELEMENTWISE`."""
    return isinstance(module, ELEMENTWISE)


def gain(activation: nn.Module | None) -> float:
    """Return g so that weights of variance g^2 / fan_in keep a signal of variance 1 at 1 through `activation`.

    g = 1 / sqrt(E[f(z)^2]) over z ~ N(0, 1), which is He's argument for any f: sqrt(2) for ReLU, 1 for no activation
    (None), 1.59 for tanh, where torch's table rounds up to 5/3.
    """
    if activation is None:
        return 1.0
    # A sum over a grid with a node at 0, where the kinks are: exact to ten digits, and for ReLU to the last.
    z = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2)
    square = activation(z).square()
    return math.sqrt(float(density.sum() / (density * square).sum()))
