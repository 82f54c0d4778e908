from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainwright.errors import UsageError
from trainwright.parts import norms
from trainwright.tensors import is_normalisation

EPSILON = 1e-5
CHANNELS = 12
SHAPES = {0: (6, CHANNELS), 1: (6, CHANNELS, 5), 2: (6, CHANNELS, 4, 3)}
CASES = [
    (name, dimensions) for name in norms.CATALOGUE for dimensions in SHAPES if (name, dimensions) != ("instance", 0)
]


def layer_of(name: str, dimensions: int, channels: int = CHANNELS) -> nn.Module:
    """A layer in float64 whose weight and bias, where it has them, are not the trivial ones."""
    layer = norms.CATALOGUE[name].factory(channels, dimensions).double()
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return layer


def inputs(dimensions: int, shape: tuple[int, ...] | None = None) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return 3 * torch.randn(shape or SHAPES[dimensions], generator=draw, dtype=torch.float64) + 2


def twin(name: str, x: np.ndarray, layer: Any) -> np.ndarray:
    """The formulas of G3's table, "normalizes over", written once more."""
    space = tuple(range(2, x.ndim))
    if name == "none":
        return x
    if name == "rms":
        scaled = x / np.sqrt((x**2).mean(1, keepdims=True) + EPSILON)
    elif name == "group":
        groups = 3  # 12 channels, at least four in each group
        parts = x.reshape(len(x), groups, -1)
        centred = parts - parts.mean(2, keepdims=True)
        scaled = (centred / np.sqrt((centred**2).mean(2, keepdims=True) + EPSILON)).reshape(x.shape)
    else:
        axes = {"batch": (0, *space), "layer": (1, *space), "instance": space}[name]
        centred = x - x.mean(axes, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + EPSILON)
    wide = (1, -1, *[1] * len(space))
    scaled = scaled * layer.weight.detach().numpy().reshape(wide)
    bias = getattr(layer, "bias", None)
    return scaled if bias is None else scaled + bias.detach().numpy().reshape(wide)


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_every_norm_is_its_formula_in_float64(name: str, dimensions: int) -> None:
    layer, x = layer_of(name, dimensions), inputs(dimensions)
    np.testing.assert_allclose(layer(x).detach().numpy(), twin(name, x.numpy(), layer), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_every_gradient_is_that_of_the_formula(name: str, dimensions: int) -> None:
    layer, x = layer_of(name, dimensions), inputs(dimensions).requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_every_norm_begins_as_the_plain_normalisation(name: str, dimensions: int) -> None:
    layer = norms.CATALOGUE[name].factory(CHANNELS, dimensions)
    for key, parameter in layer.named_parameters():
        assert torch.equal(parameter, torch.full_like(parameter, float(key == "weight")))
    assert is_normalisation(layer) is (name != "none")


def test_in_evaluation_batch_norm_takes_the_running_statistics() -> None:
    # G3: "requires calling model.eval() before inference to use running statistics instead of batch statistics".
    layer, x = layer_of("batch", 2), inputs(2)
    trained = layer(x)
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=1)
    running_mean, running_var = 0.1 * mean, 0.9 + 0.1 * var  # from 0 and 1, with torch's momentum
    layer.eval()
    wide = (1, -1, 1, 1)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    expected = (x - running_mean.view(wide)) / (running_var + EPSILON).sqrt().view(wide) * weight.view(wide)
    torch.testing.assert_close(layer(x), expected + bias.view(wide), rtol=1e-12, atol=1e-12)
    assert (layer(x) - trained).abs().max() > 0.1


@pytest.mark.parametrize(("name", "dimensions"), [case for case in CASES if case[0] != "none"])
def test_all_but_batch_norm_treat_each_sample_alone_and_alike_in_evaluation(name: str, dimensions: int) -> None:
    layer, x = layer_of(name, dimensions), inputs(dimensions)
    with torch.no_grad():
        together = layer(x)
        alone = torch.cat([layer(part) for part in x.split(2)])
        evaluated = layer.eval()(x)
    independent = name != "batch"
    assert torch.allclose(alone, together, rtol=1e-12, atol=1e-12) is independent
    assert torch.allclose(evaluated, together, rtol=1e-12, atol=1e-12) is independent


@pytest.mark.parametrize("dimensions", [0, 1, 2])
def test_one_group_is_layer_norm(dimensions: int) -> None:
    x = inputs(dimensions)[:, :7]  # 7 has no divisor that leaves four to a group
    group, layer = (layer_of(name, dimensions, 7) for name in ("group", "layer"))
    assert norms.groups_for(7) == 1
    torch.testing.assert_close(group(x), layer(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_as_many_groups_as_channels_is_instance_norm(dimensions: int) -> None:
    x, instance = inputs(dimensions), layer_of("instance", dimensions)
    group = nn.GroupNorm(CHANNELS, CHANNELS).double()
    group.load_state_dict(instance.state_dict())
    torch.testing.assert_close(instance(x), group(x), rtol=1e-12, atol=1e-12)


def test_rms_norm_of_vectors_is_torch_s_own() -> None:
    layer, x = layer_of("rms", 0), inputs(0)
    torch.testing.assert_close(
        layer(x), nn.functional.rms_norm(x, (CHANNELS,), layer.get_parameter("weight"), EPSILON), rtol=1e-12, atol=0
    )


def test_rms_norm_keeps_half_precision_in_range() -> None:
    x = torch.full((1, 4, 2, 2), 3e4, dtype=torch.float16)  # whose square is no float16
    out = norms.CATALOGUE["rms"].factory(4, 2)(x)
    assert out.dtype == torch.float16
    torch.testing.assert_close(out, torch.ones_like(out))


@given(channels=st.integers(1, 2048))
def test_the_groups_are_the_most_that_divide_the_channels(channels: int) -> None:
    groups = norms.groups_for(channels)
    sound = [count for count in range(1, 33) if channels % count == 0 and channels // count >= 4]
    assert groups == (max(sound) if sound else 1)


def test_instance_norm_of_vectors_is_refused_with_what_to_take_instead() -> None:
    with pytest.raises(UsageError, match="instance normalisation needs images") as caught:
        norms.CATALOGUE["instance"].factory(CHANNELS, 0)
    named = [name for name in norms.CATALOGUE if f"'{name}'" in caught.value.remedy]
    assert named
    assert set(named) <= set(norms.names(0))


@pytest.mark.parametrize("dimensions", [0, 1, 2])
def test_every_name_that_is_offered_can_be_built(dimensions: int) -> None:
    assert norms.names(dimensions) == tuple(name for name, allowed in CASES if allowed == dimensions)
    for name in norms.names(dimensions):
        out = norms.CATALOGUE[name].factory(CHANNELS, dimensions)(inputs(dimensions).float())
        assert out.shape == SHAPES[dimensions]
        assert math.isfinite(out.sum().item())
