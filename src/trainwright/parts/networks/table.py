"""The network for tables: every column learns what its values mean, then fully connected layers join the columns."""

from __future__ import annotations

import torch
from torch import nn

from trainwright import defaults
from trainwright.parts import activations
from trainwright.parts.initializers import AUTO, initialise
from trainwright.parts.networks.common import activation_option, count, dropout_option, linear, norm_option
from trainwright.parts.networks.table_columns import Categories, Curves, layout, squash
from trainwright.records import DataShape, ModelSpec, Option


class Columns(nn.Module):
    """Standardised numbers and one-hot categories `(N, inputs)` to what they mean, side by side: `(N, features)`.

    First every number, squashed; then `embedding` curves of each, max(0, bias + sum of waves) with the activation ReLU;
    then the embeddings of the categories, of `embedding` features each.
    """

    def __init__(self, shape: DataShape, embedding: int, activation: str) -> None:
        super().__init__()
        places = layout(shape)
        numbers = len(places.numbers)
        self.features = numbers * (1 + embedding) + len(places.categories) * embedding
        self.places: torch.Tensor
        self.register_buffer("places", torch.tensor(places.numbers, dtype=torch.int64), persistent=False)
        self.curves = Curves(numbers, embedding) if numbers else None
        self.bias = nn.Parameter(torch.zeros(numbers, embedding)) if numbers else None
        self.activation = activations.CATALOGUE[activation]() if numbers else None
        self.categories = Categories(places.categories, embedding) if places.categories else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, inputs)` to `(N, features)`."""
        found = []
        if self.curves is not None and self.activation is not None:
            numbers = squash(x.index_select(1, self.places))
            found += [numbers, self.activation(self.curves(numbers) + self.bias).flatten(1)]
        if self.categories is not None:
            found.append(self.categories(x).flatten(1))
        return torch.cat(found, 1)


def table(
    shape: DataShape,
    *,
    width: int,
    depth: int,
    embedding: int,
    dropout: float,
    norm: str = "none",
    activation: str = "relu",
) -> nn.Module:
    """Network for the columns of a table: their embeddings, then `depth` hidden layers of `width` units, then a Linear.

    Maps `(N, inputs)` to `(N, outputs)`: logits or values. `shape.groups` says which inputs are one category; without,
    all are numbers. Numbers should be standardised, for the curves are finest within three standard deviations.
    Dropout acts on the embeddings and after each hidden layer. Raises `ModelError` where the groups do not add up.
    """
    columns = Columns(shape, embedding, activation)
    layers: list[nn.Module] = [columns]
    size = columns.features
    for _ in range(depth):
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        layers += [*linear(size, width, norm), activations.CATALOGUE[activation]()]
        size = width
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(size, shape.outputs))
    model = nn.Sequential(*layers)
    initialise(model, AUTO)
    return model


SPEC = ModelSpec(
    name="table",
    summary="learned curves of numbers and embeddings of categories, then fully connected layers",
    factory=table,
    options={
        "width": count(256, 65_536, "units in each hidden layer"),
        "depth": Option(default=2, minimum=0, maximum=1_000, meaning="hidden layers", source="ours"),
        "embedding": count(16, 4_096, "curves of each number, and features of each category"),
        "dropout": dropout_option("share of the embeddings and of the hidden units switched off in training"),
        "norm": norm_option("none", 0),
        "activation": activation_option(),
    },
    dimensions=(1,),
    reference="Gorishniy et al. 2022 (embeddings of numbers); Holzmüller et al. 2024 (RealMLP); G4",
    recommended={"optimizer.lr": defaults.TABLE_LEARNING_RATE},
)
