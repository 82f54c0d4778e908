"""Built-in networks, small and plain: raw logits or values come out, so that the loss can do its part."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

from trainwright.errors import ModelError
from trainwright.parts.catalogue import find, resolve_options
from trainwright.parts.initializers import AUTO, initialise
from trainwright.parts.initializers import CATALOGUE as INITIALIZERS
from trainwright.parts.networks import cnn, mlp, resnet, table, transformer
from trainwright.parts.own_model import from_factory, is_factory
from trainwright.records import DataShape, ModelSpec, Option, Value

__all__ = ["CATALOGUE", "OPTIONS", "automatic", "build", "from_factory", "is_factory"]

CATALOGUE: Mapping[str, ModelSpec] = MappingProxyType(
    {spec.name: spec for spec in (mlp.SPEC, cnn.SPEC, resnet.SPEC, transformer.SPEC, table.SPEC)}
)

OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "init": Option(
            default=AUTO,
            choices=(AUTO, *INITIALIZERS),
            meaning=f"how the weights begin: {', '.join(INITIALIZERS)}; 'auto' is the network's own way",
            source="G3, G4",
        ),
    }
)
"""What every network of the catalogue takes beside its own options."""


def automatic(shape: DataShape) -> str:
    """Return the name of the network that fits the samples.

    `transformer` for tokens, `table` for the columns of a table, `cnn` for images `(channels, h, w)` of 4 x 4 pixels
    and more, else `mlp`.
    """
    if shape.vocabulary is not None:
        return "transformer"
    if shape.groups and "table" in CATALOGUE:
        return "table"
    return "cnn" if len(shape.input_shape) == 3 and min(shape.input_shape[1:]) >= 4 else "mlp"


def build(
    name: str, shape: DataShape, options: Mapping[str, Value], *, sample: torch.Tensor | None = None
) -> nn.Module:
    """Build a network of the catalogue for `shape`, on the CPU; what `options` leave out has the entry's default.

    `sample` is a batch `(N, *input_shape)` of inputs, for an initializer that needs data. Raises `UsageError` for an
    unknown name or option, and `ModelError` where the network cannot take such samples.
    """
    spec = find(CATALOGUE, name, "model")
    _check_samples(spec, shape)
    values = resolve_options({**spec.options, **OPTIONS}, options, f"model '{name}'")
    init = values.pop("init")
    model = spec.factory(shape, **values)
    if init != AUTO:
        initialise(model, init, sample)
    return model


def _check_samples(spec: ModelSpec, shape: DataShape) -> None:
    dimensions = len(shape.input_shape)
    tokens = shape.vocabulary is not None
    if dimensions in spec.dimensions and (spec.tokens or not tokens):
        return
    fitting = [
        other.name for other in CATALOGUE.values() if dimensions in other.dimensions and (other.tokens or not tokens)
    ]
    raise ModelError(
        f"a {spec.name} cannot take {'token ids' if tokens else 'samples'} of shape {shape.input_shape}",
        evidence=f"it takes numbers of {' or '.join(map(str, spec.dimensions))} dimensions",
        remedy=f"model.name = '{fitting[0]}'" if fitting else "reshape the samples, or pass a network of your own",
    )
