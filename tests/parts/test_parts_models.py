from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainwright.errors import ModelError, UsageError
from trainwright.parts import activations, initializers, models, norms
from trainwright.parts.losses import cross_entropy
from trainwright.parts.networks.resnet import Block
from trainwright.randomness import isolated
from trainwright.records import DataShape
from trainwright.tensors import digest, is_normalisation

TOKENS = 11
SHAPES: dict[int, list[tuple[int, ...]]] = {1: [(7,)], 2: [(6, 5)], 3: [(1, 8, 8), (3, 13, 9)]}
"""Samples of each number of dimensions."""


def described(shape: tuple[int, ...], outputs: int = 3, **more: Any) -> DataShape:
    return DataShape(input_shape=shape, outputs=outputs, task="classification", **more)


def cases() -> list[Any]:
    """Every model of the catalogue with samples of every kind that it takes."""
    found = []
    for name, spec in models.CATALOGUE.items():
        shapes = [described(shape) for dimensions in spec.dimensions for shape in SHAPES[dimensions]]
        shapes += [described((6,), groups=(1, 1, 4))] * (1 in spec.dimensions)
        shapes += [described((6,), TOKENS, vocabulary=TOKENS)] * spec.tokens
        for shape in shapes:
            kind = "-tokens" if shape.vocabulary else "-groups" if shape.groups else ""
            found.append(pytest.param(name, shape, id=f"{name}-{'x'.join(map(str, shape.input_shape))}{kind}"))
    return found


CASES = cases()
every_case = pytest.mark.parametrize(("name", "shape"), CASES)


def build(name: str, shape: DataShape, *, seed: int = 0, options: Mapping[str, Any] | None = None) -> nn.Module:
    with isolated(seed, "initialisation"):
        return models.build(name, shape, options or {}, sample=inputs(shape))


def image_model(name: str, shape: tuple[int, ...], **options: Any) -> nn.Module:
    return build(name, described(shape), options=options)


def inputs(shape: DataShape, count: int = 16) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    if shape.vocabulary is not None:
        return torch.randint(shape.vocabulary, (count, *shape.input_shape), generator=draw)
    return torch.randn(count, *shape.input_shape, generator=draw)


def targets(shape: DataShape, count: int = 16) -> torch.Tensor:
    if shape.vocabulary is not None:
        return inputs(shape, count).roll(1, dims=1)
    return torch.arange(count) % shape.outputs


@every_case
def test_every_model_gives_a_row_of_outputs_for_each_sample(name: str, shape: DataShape) -> None:
    output = build(name, shape)(inputs(shape))
    assert output.shape == (16, shape.outputs, *(shape.input_shape if shape.vocabulary else ()))
    assert torch.isfinite(output).all()


@pytest.mark.parametrize("name", [name for name, spec in models.CATALOGUE.items() if 1 in spec.dimensions])
def test_every_model_of_vectors_can_have_a_single_output(name: str) -> None:
    shape = described((7,), 1)
    assert build(name, shape)(inputs(shape)).shape == (16, 1)


@every_case
def test_every_parameter_of_every_model_receives_gradient(name: str, shape: DataShape) -> None:
    model = build(name, shape, options={"dropout": 0.0})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # in the first step a residual branch that begins at zero has none behind its scale
        optimizer.zero_grad()
        cross_entropy(model(inputs(shape)), targets(shape)).backward()
        optimizer.step()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert bool(parameter.grad.any()), path


@every_case
def test_in_evaluation_no_model_mixes_samples(name: str, shape: DataShape) -> None:
    model = build(name, shape)
    x = inputs(shape)
    model(x)  # one pass in training mode, so that running statistics are not the trivial ones
    model.eval()
    with torch.no_grad():
        together = model(x)
        alone = torch.cat([model(sample[None]) for sample in x])
        shuffled = model(x.flip(0)).flip(0)
    # Kernels sum in another order for another batch size: some float32 roundings of 6e-8 at values around 1.
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shuffled, together, rtol=1e-4, atol=1e-5)


@every_case
def test_every_model_is_a_function_of_the_seed(name: str, shape: DataShape) -> None:
    digests = [digest(build(name, shape, seed=seed).state_dict()) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


@every_case
def test_an_untrained_model_favours_no_class(name: str, shape: DataShape) -> None:
    # G2, chapter 2: the loss begins near log C.
    x, y = inputs(shape, 256), targets(shape, 256)
    with torch.no_grad():
        loss = cross_entropy(build(name, shape).train()(x), y).item()
    assert loss == pytest.approx(math.log(shape.outputs), abs=0.1)


@every_case
def test_dropout_is_there_when_asked_for_and_not_otherwise(name: str, shape: DataShape) -> None:
    for share in (0.0, 0.5):
        model = build(name, shape, options={"dropout": share}).train()
        with isolated(0, "dropout"), torch.no_grad():
            once, again = model(inputs(shape)), model(inputs(shape))
        assert torch.equal(once, again) is (share == 0)


@every_case
@pytest.mark.parametrize("init", initializers.CATALOGUE)
def test_every_model_can_begin_in_every_way(name: str, shape: DataShape, init: str) -> None:
    model = build(name, shape, options={"init": init})
    assert torch.isfinite(model(inputs(shape))).all()
    weights = [module.weight for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert weights
    tied = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    zeros = [not weight.any() for weight in weights if id(weight) not in tied]
    assert all(zeros) if init == "zero" else not any(zeros)


@pytest.mark.parametrize("name", models.CATALOGUE)
def test_every_model_refuses_samples_of_other_dimensions(name: str) -> None:
    for shape in [(), (5,), (2, 5), (1, 8, 8), (1, 4, 4, 4)]:
        if len(shape) in models.CATALOGUE[name].dimensions:
            continue
        with pytest.raises(ModelError) as caught:
            build(name, described(shape))
        assert str(shape) in caught.value.what
        named = re.search(r"model\.name = '(\w+)'", caught.value.remedy)
        if named:
            assert len(shape) in models.CATALOGUE[named[1]].dimensions
        else:
            assert not any(len(shape) in spec.dimensions for spec in models.CATALOGUE.values())


@pytest.mark.parametrize("name", [name for name, spec in models.CATALOGUE.items() if not spec.tokens])
def test_a_model_of_numbers_refuses_token_ids(name: str) -> None:
    with pytest.raises(ModelError, match="cannot take token ids"):
        build(name, described((6,), TOKENS, vocabulary=TOKENS))


def test_options_that_are_not_given_have_their_defaults_and_others_are_refused() -> None:
    shape = described((5,))
    every = {**models.CATALOGUE["mlp"].options, **models.OPTIONS}
    defaults = {name: option.default for name, option in every.items()}
    with_all, with_none = build("mlp", shape, options=defaults), build("mlp", shape)
    assert digest(with_all.state_dict()) == digest(with_none.state_dict())
    with pytest.raises(UsageError, match="takes no option 'widht'"):
        build("mlp", shape, options={"widht": 3})
    with pytest.raises(UsageError, match="init cannot be 'he'"):
        build("mlp", shape, options={"init": "he"})
    with pytest.raises(UsageError, match="there is no model 'mpl'"):
        build("mpl", shape)


def test_hidden_weights_begin_with_the_variance_of_he() -> None:
    model = build("mlp", described((300,)), options={"width": 400, "depth": 3})
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for layer in linears[:-1]:
        # 120,000 draws or more: their variance is known to within 0.4 %.
        assert layer.weight.var().item() == pytest.approx(2 / layer.in_features, rel=0.03)
        assert abs(layer.weight.mean().item()) < 3e-3
    last = linears[-1]
    glorot = math.sqrt(6 / (last.in_features + last.out_features))
    assert 0 < last.weight.abs().max().item() <= 0.1 * glorot * (1 + 1e-6)
    assert not any(layer.bias.any() for layer in linears)


def test_convolutions_begin_with_the_variance_of_he() -> None:
    model = image_model("cnn", (3, 8, 8), width=64, depth=2)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for layer in convolutions:
        fan_in = layer.in_channels * 9
        assert layer.weight.var().item() == pytest.approx(2 / fan_in, rel=0.1)
    assert [layer.out_channels for layer in convolutions] == [64, 64, 128, 128]


@pytest.mark.parametrize("classes", [3, 10, 100])
def test_an_untrained_network_starts_near_the_logarithm_of_the_number_of_classes(classes: int) -> None:
    # G2, chapter 2. The logits' variance, about a fiftieth, adds half of that to log C.
    shape = described((64,), classes)
    x, y = inputs(shape, 512), targets(shape, 512)
    with torch.no_grad():
        loss = cross_entropy(build("mlp", shape).eval()(x), y).item()
    assert math.log(classes) - 0.05 < loss < math.log(classes) + 0.05


def test_without_hidden_layers_the_mlp_is_linear() -> None:
    model = build("mlp", described((4,)), options={"depth": 0})
    assert [type(module).__name__ for module in model.children()] == ["Flatten", "Linear"]


@pytest.mark.parametrize("activation", activations.CATALOGUE)
@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_every_norm_and_activation_can_be_chosen_and_is_there(name: str, activation: str) -> None:
    shape, kind = described((2, 9, 8)), activations.CATALOGUE[activation]
    for norm in models.CATALOGUE[name].options["norm"].choices:
        model = build(name, shape, options={"norm": norm, "activation": activation})
        like = norms.CATALOGUE[norm].factory(8, 0 if name == "mlp" else 2)
        found = {type(module) for module in model.modules() if is_normalisation(module)}
        assert found == ({type(like)} if is_normalisation(like) else set())
        assert any(isinstance(module, kind) for module in model.modules())
        output = model(inputs(shape))
        output.square().mean().backward()
        assert torch.isfinite(output).all()


@pytest.mark.parametrize("norm", norms.names(2))
@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_a_layer_has_a_bias_exactly_where_its_norm_brings_none(name: str, norm: str) -> None:
    if norm not in models.CATALOGUE[name].options["norm"].choices:
        norm = "none"
    model = image_model(name, (1, 8, 8), norm=norm)
    *hidden, last = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert last.bias is not None
    assert {layer.bias is not None for layer in hidden} == {norm in ("none", "rms")}


@given(height=st.integers(1, 9), width=st.integers(1, 9), depth=st.integers(1, 6))
@settings(deadline=None, max_examples=40)
@pytest.mark.parametrize(("name", "option"), [("cnn", "depth"), ("resnet", "stages")])
def test_an_image_too_small_for_the_stages_names_a_number_that_works(
    name: str, option: str, height: int, width: int, depth: int
) -> None:
    shape, options = described((1, height, width)), {"width": 2, option: depth}
    try:
        model = build(name, shape, options=options)
    except ModelError as error:
        named = re.search(rf"model\.{option} = (\d+)", error.remedy)
        assert named is not None
        assert int(named[1]) < depth
        model = build(name, shape, options=options | {option: int(named[1])})
    assert model.eval()(inputs(shape, 2)).shape == (2, 3)


@pytest.mark.parametrize(("name", "option"), [("cnn", "depth"), ("resnet", "stages")])
def test_instance_norm_of_single_pixels_is_refused(name: str, option: str) -> None:
    with pytest.raises(ModelError, match="single pixels"):
        image_model(name, (1, 8, 8), norm="instance", **{option: 4})
    model = image_model(name, (1, 9, 16), norm="instance", **{option: 4})
    assert torch.isfinite(model(inputs(described((1, 9, 16))))).all()


@given(height=st.integers(8, 40), width=st.integers(8, 40), channels=st.integers(1, 4))
@settings(deadline=None, max_examples=20)
def test_a_resnet_takes_images_of_every_size_from_eight_pixels_up(height: int, width: int, channels: int) -> None:
    shape = described((channels, height, width))
    assert build("resnet", shape, options={"width": 4})(inputs(shape, 2)).shape == (2, 3)


def test_the_default_resnet_is_small() -> None:
    parameters = build("resnet", described((1, 28, 28), 10)).parameters()
    assert sum(parameter.numel() for parameter in parameters) < 300_000


@pytest.mark.parametrize("activation", activations.CATALOGUE)
@pytest.mark.parametrize("norm", norms.names(2))
def test_a_residual_block_begins_as_its_shortcut(norm: str, activation: str) -> None:
    x = inputs(described((4, 7, 6)))
    same = Block(4, 4, stride=1, norm=norm, activation=activation)
    assert torch.equal(same(x), x)
    other = Block(4, 8, stride=2, norm=norm, activation=activation)
    assert other.shortcut is not None
    assert torch.equal(other(x), other.shortcut(other.activation(x)))
    assert other(x).shape == (16, 8, 4, 3)


@pytest.mark.parametrize(("maps", "stride"), [(4, 1), (6, 2)])
def test_a_residual_block_is_its_formula_in_float64(maps: int, stride: int) -> None:
    block = Block(4, maps, stride=stride, norm="batch", activation="tanh").double()
    weights: dict[str, torch.Tensor] = {}
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            weights[name] = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
            parameter.copy_(weights[name])

    def normalised_convolution(x: torch.Tensor, path: str, norm: str, stride: int) -> torch.Tensor:
        kernel = weights[f"{path}.weight"]
        pad = kernel.shape[-1] // 2
        patches = nn.functional.unfold(x, kernel.shape[-1], padding=pad, stride=stride)
        y = torch.einsum("ok,nkl->nol", kernel.flatten(1), patches)
        y = (y - y.mean((0, 2), keepdim=True)) / (y.var((0, 2), correction=0, keepdim=True) + 1e-5).sqrt()
        y = y * weights[f"{norm}.weight"].view(-1, 1) + weights[f"{norm}.bias"].view(-1, 1)
        return y.unflatten(2, (-(-x.shape[2] // stride), -1))

    x = inputs(described((4, 7, 6))).double()
    a = x.tanh()
    branch = normalised_convolution(a, "branch.0", "branch.1", stride).tanh()
    branch = normalised_convolution(branch, "branch.3", "branch.4", 1)
    shortcut = x if maps == 4 else normalised_convolution(a, "shortcut.0", "shortcut.1", stride)
    torch.testing.assert_close(block(x), shortcut + branch, rtol=1e-9, atol=1e-9)


def test_a_deep_resnet_begins_as_its_stem_and_stays_so_however_its_weights_are_filled() -> None:
    shape = described((1, 8, 8))
    for init in ("auto", "he_normal", "orthogonal"):
        deep = build("resnet", shape, options={"norm": "none", "depth": 20, "stages": 1, "init": init})
        x = inputs(shape)
        blocks = [module for module in deep.children() if isinstance(module, Block)]
        stem = next(iter(deep.children()))(x)
        through = stem
        for block in blocks:
            through = block(through)
        assert len(blocks) == 20
        assert torch.equal(through, stem)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_resnet_learns_images_that_it_has_seen(norm: str) -> None:
    shape = described((1, 8, 8), 4)
    x, y = inputs(shape, 32), targets(shape, 32)
    model = build("resnet", shape, options={"width": 8, "depth": 1, "norm": norm, "dropout": 0.0})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    assert cross_entropy(model(x), y).item() < 0.05


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (described((5,)), "mlp"),
        (described((3, 5)), "mlp"),
        (described((1, 8, 8)), "cnn"),
        (described((3, 4, 4)), "cnn"),
        (described((3, 3, 100)), "mlp"),
        (described((6,), groups=(1, 1, 4)), "table" if "table" in models.CATALOGUE else "mlp"),
    ],
)
def test_the_samples_choose_the_network(shape: DataShape, name: str) -> None:
    assert models.automatic(shape) == name
    assert build(name, shape)(inputs(shape)).shape == (16, 3)


def test_the_options_of_every_model_are_those_of_no_model_alone() -> None:
    for spec in models.CATALOGUE.values():
        assert not set(spec.options) & set(models.OPTIONS), spec.name
    assert models.OPTIONS["init"].choices == ("auto", *initializers.CATALOGUE)


def test_tokens_choose_the_transformer() -> None:
    assert models.automatic(described((6,), TOKENS, vocabulary=TOKENS)) == "transformer"
