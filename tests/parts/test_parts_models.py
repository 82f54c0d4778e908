from __future__ import annotations

import math
import re
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainwright.errors import ModelError
from trainwright.parts import models
from trainwright.parts.losses import cross_entropy
from trainwright.randomness import isolated
from trainwright.records import DataShape
from trainwright.tensors import digest

SHAPES: dict[str, list[tuple[int, ...]]] = {
    "mlp": [(7,), (2, 5), (1, 8, 8)],
    "cnn": [(1, 8, 8), (3, 9, 6), (1, 2, 2)],
}
CASES = [(name, shape) for name in models.CATALOGUE for shape in SHAPES[name]]


def defaults(name: str) -> dict[str, float]:
    return {option: record.default for option, record in models.CATALOGUE[name].options.items()}


def build(
    name: str, shape: tuple[int, ...], outputs: int = 3, *, seed: int = 0, options: Mapping[str, float] | None = None
) -> nn.Module:
    described = DataShape(input_shape=shape, outputs=outputs, task="classification")
    with isolated(seed, "initialisation"):
        return models.build(name, described, defaults(name) | dict(options or {}))


def inputs(shape: tuple[int, ...], count: int = 16) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))


def test_every_model_is_tried_in_each_of_its_dimensions() -> None:
    assert set(SHAPES) == set(models.CATALOGUE)
    for name, spec in models.CATALOGUE.items():
        assert {len(shape) for shape in SHAPES[name]} == set(spec.dimensions)


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_model_gives_a_row_of_outputs_for_each_sample(name: str, shape: tuple[int, ...], outputs: int) -> None:
    output = build(name, shape, outputs)(inputs(shape))
    assert output.shape == (16, outputs)
    assert torch.isfinite(output).all()


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_parameter_of_every_model_receives_gradient(name: str, shape: tuple[int, ...]) -> None:
    model = build(name, shape)
    cross_entropy(model(inputs(shape)), torch.arange(16) % 3).backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert bool(parameter.grad.any()), path


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_in_evaluation_no_model_mixes_samples(name: str, shape: tuple[int, ...]) -> None:
    model = build(name, shape)
    model(inputs(shape))  # one pass in training mode, so that running statistics are not the trivial ones
    model.eval()
    x = inputs(shape)
    with torch.no_grad():
        together = model(x)
        alone = torch.cat([model(sample[None]) for sample in x])
        shuffled = model(x.flip(0)).flip(0)
    # Kernels sum in another order for another batch size: some float32 roundings of 6e-8 at values around 1.
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shuffled, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_model_is_a_function_of_the_seed(name: str, shape: tuple[int, ...]) -> None:
    digests = [digest(build(name, shape, seed=seed).state_dict()) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("name", models.CATALOGUE)
def test_every_model_refuses_samples_of_other_dimensions(name: str) -> None:
    for shape in [(), (5,), (2, 5), (1, 8, 8), (1, 4, 4, 4)]:
        if len(shape) in models.CATALOGUE[name].dimensions:
            continue
        with pytest.raises(ModelError) as caught:
            build(name, shape)
        assert str(shape) in caught.value.what
        named = re.search(r"model\.name = '(\w+)'", caught.value.remedy)
        if named:
            assert len(shape) in models.CATALOGUE[named[1]].dimensions
        else:
            assert not any(len(shape) in spec.dimensions for spec in models.CATALOGUE.values())


@pytest.mark.parametrize("name", models.CATALOGUE)
def test_dropout_is_there_when_asked_for_and_not_otherwise(name: str) -> None:
    shape = SHAPES[name][-1]
    with_it, without = (build(name, shape, options={"dropout": share}) for share in (0.5, 0.0))
    assert any(isinstance(module, nn.Dropout) and module.p == 0.5 for module in with_it.modules())
    assert not any(isinstance(module, nn.Dropout) for module in without.modules())


def test_hidden_weights_begin_with_the_variance_of_he() -> None:
    model = build("mlp", (300,), options={"width": 400, "depth": 3})
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for layer in linears[:-1]:
        # 120,000 draws or more: their variance is known to within 0.4 %.
        assert layer.weight.var().item() == pytest.approx(2 / layer.in_features, rel=0.03)
        assert abs(layer.weight.mean().item()) < 3e-3
    last = linears[-1]
    glorot = math.sqrt(6 / (last.in_features + last.out_features))
    assert 0 < last.weight.abs().max().item() <= 0.1 * glorot
    assert not any(layer.bias.any() for layer in linears)


def test_convolutions_begin_with_the_variance_of_he() -> None:
    model = build("cnn", (3, 8, 8), options={"width": 64, "depth": 2})
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for layer in convolutions:
        fan_in = layer.in_channels * 9
        assert layer.weight.var().item() == pytest.approx(2 / fan_in, rel=0.1)
    assert [layer.out_channels for layer in convolutions] == [64, 64, 128, 128]


def test_a_deep_network_keeps_the_scale_of_its_activations() -> None:
    # G3: "proper initialisation keeps activation variance and gradient variance stable across layers".
    model = build("mlp", (128,), options={"width": 256, "depth": 20, "dropout": 0.0})
    x = inputs((128,), 256)
    scales = []
    for layer in model.children():
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            scales.append(x.square().mean().item())
    assert len(scales) == 20
    # At half the right variance the twentieth layer would have a millionth of the first one's scale.
    assert 0.2 < scales[-1] / scales[0] < 5


@pytest.mark.parametrize("classes", [3, 10, 100])
def test_an_untrained_network_starts_near_the_logarithm_of_the_number_of_classes(classes: int) -> None:
    # G2, chapter 2. The logits' variance, about a fiftieth, adds half of that to log C.
    x, y = inputs((64,), 512), torch.arange(512) % classes
    with torch.no_grad():
        loss = cross_entropy(build("mlp", (64,), classes).eval()(x), y).item()
    assert math.log(classes) - 0.05 < loss < math.log(classes) + 0.05


def test_without_hidden_layers_the_mlp_is_linear() -> None:
    model = build("mlp", (4,), options={"depth": 0})
    assert [type(module).__name__ for module in model.children()] == ["Flatten", "Linear"]


@given(height=st.integers(1, 9), width=st.integers(1, 9), depth=st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_a_cnn_too_deep_for_the_image_names_a_depth_that_works(height: int, width: int, depth: int) -> None:
    shape, options = (1, height, width), {"width": 2, "depth": depth}
    try:
        model = build("cnn", shape, options=options)
    except ModelError as error:
        named = re.search(r"model\.depth = (\d+)", error.remedy)
        assert named is not None
        assert int(named[1]) < depth
        model = build("cnn", shape, options=options | {"depth": int(named[1])})
    assert model.eval()(inputs(shape, 2)).shape == (2, 3)


@pytest.mark.parametrize(
    ("shape", "name"),
    [((5,), "mlp"), ((3, 5), "mlp"), ((1, 8, 8), "cnn"), ((3, 4, 4), "cnn"), ((3, 3, 100), "mlp")],
)
def test_the_shape_of_a_sample_chooses_the_network(shape: tuple[int, ...], name: str) -> None:
    assert models.automatic(shape) == name
    build(name, shape)
