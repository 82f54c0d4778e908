"""The fully connected network: plain layers for plain vectors."""

from __future__ import annotations

import math

from torch import nn

from trainwright import defaults
from trainwright.parts import activations
from trainwright.parts.initializers import AUTO, initialise
from trainwright.parts.networks.common import activation_option, count, dropout_option, linear, norm_option
from trainwright.records import DataShape, ModelSpec, Option


def mlp(
    shape: DataShape, *, width: int, depth: int, dropout: float, norm: str = "none", activation: str = "relu"
) -> nn.Module:
    """Fully connected network: `depth` hidden layers of `width` units, each Linear, norm, activation, Dropout.

    Maps `(N, *input_shape)` to `(N, outputs)`: logits or values, so that the loss can do its part.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    size = math.prod(shape.input_shape)
    for _ in range(depth):
        layers += [*linear(size, width, norm), activations.CATALOGUE[activation]()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        size = width
    layers.append(nn.Linear(size, shape.outputs))
    model = nn.Sequential(*layers)
    initialise(model, AUTO)
    return model


SPEC = ModelSpec(
    name="mlp",
    summary="fully connected layers with dropout",
    factory=mlp,
    options={
        "width": count(128, 65_536, "units in each hidden layer"),
        "depth": Option(default=2, minimum=0, maximum=1_000, meaning="hidden layers", source="ours"),
        "dropout": dropout_option("share of hidden units switched off in training"),
        "norm": norm_option("none", 0),
        "activation": activation_option(),
    },
    dimensions=(1, 2, 3),
    reference="G4",
    recommended={"optimizer.lr": defaults.MLP_LEARNING_RATE},
)
