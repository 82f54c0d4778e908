"""How weights begin. Each entry fills one weight `(outputs, inputs, ...)`; `initialise` fills those of a model.

fan_in = inputs * kernel size, fan_out = outputs * kernel size. Where an activation follows a layer, `initialise`
multiplies He's and orthogonal weights by the gain that keeps the mean square of the signal through it, and Glorot's
where it saturates (tanh, sigmoid), which is what Glorot's are for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import nn

from trainwright import defaults
from trainwright.errors import UsageError
from trainwright.parts import fills
from trainwright.parts.activations import SATURATING, gain
from trainwright.parts.catalogue import find
from trainwright.parts.layer_weights import (
    biases,
    blocks,
    embeddings,
    following_activations,
    is_weighted,
    unit_variance,
)
from trainwright.records import InitializerSpec

AUTO = "auto"
"""He's or Glorot's, whichever belongs to the activation, and a last layer so small that no class is favoured."""

Fill = Callable[[torch.Tensor], None]
Factor = Callable[[nn.Module | None], float]
"""By what a filled weight is multiplied, given the activation that follows it (None: none does)."""


def initialise(model: nn.Module, name: str, sample: torch.Tensor | None = None) -> None:
    """Fill the weights of every linear layer and convolution of `model` in place, as `name` says, or as "auto" does.

    Biases become 0, embeddings small and normal; normalisations and all other parameters stay as they are. A function
    of torch's seed. `sample` is a batch `(N, ...)` of inputs, on the model's device, for the entry that needs data.

    Raises `UsageError` for an unknown name, and where data are needed and `sample` is None.
    """
    spec = None if name == AUTO else find(CATALOGUE, name, "initializer")
    if spec is not None and spec.needs_data and sample is None:
        raise UsageError(
            f"the initializer '{name}' needs a batch of inputs",
            evidence="it scales each layer by what comes out of it",
            remedy="pass one as sample=, or take 'he_normal'",
        )
    followers = following_activations(model)
    last = next((module for module in reversed(list(model.modules())) if is_weighted(module)), None)
    with torch.no_grad():
        # A weight that an output layer shares with an embedding begins as the embedding's, the smaller of the two.
        filled = _fill_embeddings(model)
        for module in model.modules():
            own = [block for block in blocks(module) if block.data_ptr() not in filled]
            fill, factor = _scheme(spec, followers.get(module), is_last=module is last)
            for block in own:
                fresh = torch.empty_like(block, memory_format=torch.contiguous_format)
                fill(fresh)
                block.copy_(fresh * factor)
                filled.add(block.data_ptr())
            for bias in biases(module):
                bias.zero_()
    if spec is not None and spec.needs_data and sample is not None:
        unit_variance(model, sample)


def _scheme(spec: InitializerSpec | None, following: nn.Module | None, *, is_last: bool) -> tuple[Fill, float]:
    """Return what fills the weights before the activation `following`, and the factor; `spec` is None for "auto"."""
    if spec is not None:
        return spec.fill, _FACTORS[spec.name](following)
    if is_last:
        return CATALOGUE["glorot_uniform"].fill, defaults.LAST_LAYER_GAIN.value
    name = "glorot_normal" if isinstance(following, SATURATING) else "he_normal"
    return CATALOGUE[name].fill, _FACTORS[name](following)


def _fill_embeddings(model: nn.Module) -> set[int]:
    """Fill the embeddings, whose rows are looked up and so have no fan; return the addresses of their weights."""
    for module in embeddings(model):
        fills.truncated_normal(module.weight)
        if module.padding_idx is not None:
            module.weight[module.padding_idx].zero_()
    return {module.weight.data_ptr() for module in embeddings(model)}


def _no_factor(following: nn.Module | None) -> float:
    return 1.0


def _beyond_relu(following: nn.Module | None) -> float:
    return gain(following) / math.sqrt(2)  # the entries hold ReLU's gain already


def _if_saturating(following: nn.Module | None) -> float:
    return gain(following) if isinstance(following, SATURATING) else 1.0


_ENTRIES: tuple[tuple[InitializerSpec, Factor], ...] = (
    (
        InitializerSpec(
            name="he_normal",
            summary="normal; keeps the mean square of the signal on the way forward",
            formula="W ~ N(0, 2 / fan_in)",
            fill=fills.he_normal,
            best_for="ReLU and its kin",
            reference="G3, G4; He et al. 2015",
        ),
        _beyond_relu,
    ),
    (
        InitializerSpec(
            name="he_uniform",
            summary="uniform; keeps the mean square of the signal on the way forward",
            formula="W ~ U(-a, a), a = sqrt(6 / fan_in)",
            fill=fills.he_uniform,
            best_for="ReLU and its kin",
            reference="G3, G4; He et al. 2015",
        ),
        _beyond_relu,
    ),
    (
        InitializerSpec(
            name="glorot_normal",
            summary="normal; between what the signal wants forward and the gradient backward",
            formula="W ~ N(0, 2 / (fan_in + fan_out))",
            fill=fills.glorot_normal,
            best_for="tanh and sigmoid",
            reference="G3, G4; Glorot and Bengio 2010",
        ),
        _if_saturating,
    ),
    (
        InitializerSpec(
            name="glorot_uniform",
            summary="uniform; between what the signal wants forward and the gradient backward",
            formula="W ~ U(-a, a), a = sqrt(6 / (fan_in + fan_out))",
            fill=fills.glorot_uniform,
            best_for="tanh and sigmoid",
            reference="G3, G4; Glorot and Bengio 2010",
        ),
        _if_saturating,
    ),
    (
        InitializerSpec(
            name="lecun_normal",
            summary="normal; keeps the variance through layers without an activation",
            formula="W ~ N(0, 1 / fan_in)",
            fill=fills.lecun_normal,
            best_for="SELU, and linear layers",
            reference="LeCun et al. 1998",
        ),
        _no_factor,
    ),
    (
        InitializerSpec(
            name="orthogonal",
            summary="rows (or columns, whichever are fewer) at right angles: no direction grows or shrinks",
            formula="W W^T = g^2 I as a matrix of outputs by the rest, g the gain of the activation that follows",
            fill=fills.orthogonal,
            best_for="very deep and recurrent networks",
            reference="Saxe et al. 2013",
        ),
        gain,
    ),
    (
        InitializerSpec(
            name="truncated_normal",
            summary="the same small spread for every layer, without outliers",
            formula="W ~ N cut at two standard deviations, of standard deviation 0.02 after the cut",
            fill=fills.truncated_normal,
            best_for="transformers",
            reference="Devlin et al. 2018; Radford et al. 2019",
        ),
        _no_factor,
    ),
    (
        InitializerSpec(
            name="unit_variance",
            summary="orthogonal, then each layer in turn divided by the standard deviation of its output on a batch",
            formula="W <- W / std(output), one layer after the other, W W^T = I before",
            fill=fills.orthogonal,
            best_for="networks without normalisation, whatever their activations",
            reference="Mishkin and Matas 2016 (LSUV)",
            needs_data=True,
        ),
        _no_factor,
    ),
    (
        InitializerSpec(
            name="zero",
            summary="no weights at all: the units of a layer stay alike for ever",
            formula="W = 0",
            fill=fills.zero,
            best_for="showing why symmetry has to be broken",
            reference="G3",
        ),
        _no_factor,
    ),
    (
        InitializerSpec(
            name="constant",
            summary="one number everywhere: the units of a layer stay alike for ever",
            formula=f"W = {fills.CONSTANT:g}",
            fill=fills.constant,
            best_for="showing why symmetry has to be broken",
            reference="G3",
        ),
        _no_factor,
    ),
)

CATALOGUE: Mapping[str, InitializerSpec] = MappingProxyType({spec.name: spec for spec, _ in _ENTRIES})
_FACTORS: Mapping[str, Factor] = MappingProxyType({spec.name: factor for spec, factor in _ENTRIES})
