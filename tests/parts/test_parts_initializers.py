from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainwright.errors import UsageError
from trainwright.parts import activations, models
from trainwright.parts.initializers import AUTO, CATALOGUE, initialise
from trainwright.parts.layer_weights import following_activations
from trainwright.parts.losses import cross_entropy
from trainwright.randomness import isolated
from trainwright.records import DataShape
from trainwright.tensors import copy_state, digest, is_normalisation

NAMES = [*CATALOGUE, AUTO]
SHAPES = [(400, 300), (300, 400), (64, 48, 3, 3), (128, 256, 3)]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


VARIANCES: dict[str, Callable[[int, int], float]] = {
    "he_normal": lambda fan_in, fan_out: 2 / fan_in,
    "he_uniform": lambda fan_in, fan_out: 2 / fan_in,
    "glorot_normal": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "glorot_uniform": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "lecun_normal": lambda fan_in, fan_out: 1 / fan_in,
    "truncated_normal": lambda fan_in, fan_out: 0.02**2,
    "orthogonal": lambda fan_in, fan_out: 1 / max(fan_in, fan_out),
    "zero": lambda fan_in, fan_out: 0.0,
    "constant": lambda fan_in, fan_out: 0.0,
}


def filled(name: str, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    weight = torch.full(shape, torch.nan)
    with isolated(seed, "fill"):
        CATALOGUE[name].fill(weight)
    return weight


def mlp(activation: str = "relu", *, width: int = 64, depth: int = 2, inputs: int = 64, **more: Any) -> nn.Module:
    shape = DataShape(input_shape=(inputs,), outputs=10, task="classification")
    options = {"width": width, "depth": depth, "dropout": 0.0, "activation": activation, **more}
    with isolated(0, "initialisation"):
        return models.build("mlp", shape, options)


def initialised(model: nn.Module, name: str, sample: torch.Tensor | None = None, seed: int = 0) -> nn.Module:
    with isolated(seed, "initialisation"):
        initialise(model, name, sample)
    return model


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_every_entry_with_a_formula_has_its_variance_here() -> None:
    assert {*VARIANCES, "unit_variance"} == set(CATALOGUE)  # the last has none but on data
    assert [name for name, spec in CATALOGUE.items() if spec.needs_data] == ["unit_variance"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", VARIANCES)
def test_weights_have_the_variance_of_their_formula(name: str, shape: tuple[int, ...]) -> None:
    weight = filled(name, shape).double()
    fan_in, fan_out = fans(shape)
    if name == "orthogonal":
        fan_out = shape[0]  # of the matrix of outputs by everything else
    # 27,648 draws or more know their variance to within 0.9 % (one standard error), and their mean likewise.
    assert weight.var(correction=0).item() == pytest.approx(VARIANCES[name](fan_in, fan_out), rel=0.04)
    mean = 0.01 if name == "constant" else 0.0
    assert abs(weight.mean().item() - mean) <= 5 * weight.std().item() / math.sqrt(weight.numel()) + 1e-9


@pytest.mark.parametrize(("name", "total"), [("he_uniform", lambda i, o: i), ("glorot_uniform", lambda i, o: i + o)])
def test_uniform_weights_reach_to_their_limit_and_no_further(name: str, total: Callable[[int, int], int]) -> None:
    for shape in SHAPES:
        limit = math.sqrt(6 / total(*fans(shape)))
        assert 0.99 * limit < filled(name, shape).abs().max().item() <= limit * (1 + 1e-6)


def test_the_truncated_normal_is_cut_at_two_standard_deviations_of_the_uncut() -> None:
    weight = filled("truncated_normal", (1000, 400)).double()
    # Integrated anew: the standard deviation that a standard normal has between -2 and 2.
    z = np.linspace(-2, 2, 200_001)
    density = np.exp(-(z**2) / 2)
    cut_std = math.sqrt((density * z**2).sum() / density.sum())
    limit = 2 * 0.02 / cut_std
    assert 0.99 * limit < weight.abs().max().item() <= limit * (1 + 1e-6)
    assert weight.std().item() == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (30, 30), (8, 3, 3, 3), (64, 2, 3, 3)])
def test_orthogonal_weights_are_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = filled("orthogonal", shape).reshape(shape[0], -1).double()
    short = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    torch.testing.assert_close(short, torch.eye(len(short), dtype=torch.float64), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", activations.CATALOGUE)
def test_the_gain_is_that_of_a_second_quadrature(name: str) -> None:
    # Gauss and Hermite's nodes, piecewise polynomials of torch's functions at float64.
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    values = activations.CATALOGUE[name]()(torch.tensor(nodes)).numpy()
    square = (weights * values**2).sum() / weights.sum()
    assert activations.gain(activations.CATALOGUE[name]()) == pytest.approx(1 / math.sqrt(square), rel=1e-3)


def test_the_gains_that_are_known_exactly() -> None:
    assert activations.gain(None) == 1.0
    assert activations.gain(nn.ReLU()) == pytest.approx(math.sqrt(2), rel=1e-12)
    assert activations.gain(nn.ReLU(inplace=True)) == pytest.approx(math.sqrt(2), rel=1e-12)
    for slope in (0.01, 0.3):
        assert activations.gain(nn.LeakyReLU(slope)) == pytest.approx(math.sqrt(2 / (1 + slope**2)), rel=1e-12)


def test_he_uses_the_gain_of_the_activation_that_follows() -> None:
    for activation in activations.CATALOGUE:
        model = initialised(mlp(activation, width=400, inputs=400), "he_normal")
        *hidden, last = [module for module in model.modules() if isinstance(module, nn.Linear)]
        gain = activations.gain(activations.CATALOGUE[activation]())
        for layer in hidden:
            assert layer.weight.var().item() == pytest.approx(gain**2 / layer.in_features, rel=0.03)
        assert last.weight.var().item() == pytest.approx(1 / last.in_features, rel=0.1)  # none follows the last


def test_orthogonal_layers_carry_the_gain_of_the_activation_that_follows() -> None:
    model = initialised(mlp("relu"), "orthogonal")
    first, _, last = [module for module in model.modules() if isinstance(module, nn.Linear)]
    torch.testing.assert_close(first.weight @ first.weight.T, 2 * torch.eye(64), rtol=0, atol=1e-5)
    torch.testing.assert_close(last.weight @ last.weight.T, torch.eye(10), rtol=0, atol=1e-5)


def spread_through_twenty_layers(activation: str, name: str) -> float:
    """The variance of what enters the twentieth activation, over that of what enters the second."""
    width = 512
    model = initialised(mlp(activation, width=width, depth=20, inputs=width), name, normal(256, width))
    x, variances = normal(256, width), []
    with torch.no_grad():
        for layer in model.children():
            x = layer(x)
            if isinstance(layer, nn.Linear):
                variances.append(x.var().item())
    return variances[19] / variances[1]


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        ("relu", "he_normal"),
        ("relu", "he_uniform"),
        ("relu", "orthogonal"),
        ("relu", AUTO),
        ("tanh", "glorot_normal"),
        ("tanh", "glorot_uniform"),
        ("tanh", AUTO),
        ("sigmoid", "unit_variance"),
        ("relu", "unit_variance"),
    ],
)
def test_the_right_pairing_keeps_the_variance_through_twenty_layers(activation: str, name: str) -> None:
    # G3: "proper initialisation keeps activation variance and gradient variance stable across layers".
    assert 0.4 < spread_through_twenty_layers(activation, name) < 2.5


@pytest.mark.parametrize(
    ("activation", "name", "most"),
    [
        ("relu", "glorot_normal", 2e-5),  # halved by each ReLU: 2^-18 is 4e-6
        ("relu", "lecun_normal", 2e-5),
        ("relu", "truncated_normal", 1e-12),  # 512 weights of 0.02 carry a tenth
        ("tanh", "lecun_normal", 0.2),  # tanh takes away a little each time
    ],
)
def test_the_wrong_pairing_loses_the_signal(activation: str, name: str, most: float) -> None:
    assert spread_through_twenty_layers(activation, name) < most


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms"])
@pytest.mark.parametrize(
    ("network", "shape"), [("mlp", (30,)), ("cnn", (1, 8, 8)), ("cnn", (3, 13, 9)), ("resnet", (1, 8, 8))]
)
def test_unit_variance_gives_each_layer_an_output_of_variance_one(
    network: str, shape: tuple[int, ...], norm: str
) -> None:
    described = DataShape(input_shape=shape, outputs=10, task="classification")
    sample = 5 * normal(128, *shape) + 1  # neither centred nor of unit variance
    with isolated(0, "initialisation"):
        model = models.build(network, described, {"norm": norm, "init": "unit_variance"}, sample=sample)
    outputs: dict[str, float] = {}

    def measure(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, output: torch.Tensor) -> None:
            outputs[path] = output.var(correction=0).item()

        return hook

    for path, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_hook(measure(path))
        module.training = not isinstance(module, nn.Dropout)
    with torch.no_grad():
        model(sample)
    assert outputs
    for path, variance in outputs.items():
        assert variance == pytest.approx(1, abs=0.05), path


def test_unit_variance_leaves_modes_and_running_statistics_as_they_were() -> None:
    model = mlp(norm="batch", dropout=0.5).train()
    norm = next(module for module in model.modules() if is_normalisation(module))
    norm.eval()
    modes, buffers = [module.training for module in model.modules()], dict(model.named_buffers())
    kept = {name: value.clone() for name, value in buffers.items()}
    initialised(model, "unit_variance", normal(32, 64))
    assert [module.training for module in model.modules()] == modes
    assert kept
    for name, value in model.named_buffers():
        assert torch.equal(value, kept[name]), name
    assert not any(module._forward_hooks for module in model.modules())


def test_unit_variance_keeps_the_weights_of_a_layer_whose_output_does_not_vary() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    initialised(model, "unit_variance", torch.zeros(8, 4))
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    assert all(parameter.any() for parameter in model.parameters() if parameter.dim() == 2)


def test_unit_variance_scales_shared_weights_once_and_those_of_an_embedding_not_at_all() -> None:
    shared, embedding, output = nn.Linear(8, 8), nn.Embedding(20, 8), nn.Linear(8, 20)
    output.weight = embedding.weight
    model = nn.Sequential(embedding, shared, nn.Tanh(), shared, output)
    first: list[float] = []
    initialised(model, "unit_variance", torch.arange(20).view(20, 1))
    shared.register_forward_hook(lambda module, given, out: first.append(out.var(correction=0).item()))
    model(torch.arange(20).view(20, 1))
    assert first[0] == pytest.approx(1, abs=1e-3)
    assert embedding.weight.std().item() == pytest.approx(0.02, rel=0.2)


def test_unit_variance_without_a_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a batch of inputs"):
        initialise(mlp(), "unit_variance")


@pytest.mark.parametrize("name", NAMES)
def test_biases_begin_at_zero_and_normalisations_stay_as_they_are(name: str) -> None:
    model = nn.Sequential(
        nn.Conv1d(4, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU(), nn.Flatten(), nn.Linear(30, 8), nn.LayerNorm(8)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.7)
    initialised(model, name, normal(16, 4, 5))
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            assert module.bias is not None
            assert not module.bias.any()
            assert not torch.equal(module.weight, torch.full_like(module.weight, 0.7))
        elif is_normalisation(module):
            assert all(bool((parameter == 0.7).all()) for parameter in module.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_every_way_is_a_function_of_torch_s_seed(name: str) -> None:
    model, sample = mlp(), normal(32, 64)
    digests = [digest(initialised(model, name, sample, seed).state_dict()) for seed in (0, 0, 1)]
    assert digests[0] == digests[1]
    assert (digests[0] == digests[2]) is (name in ("zero", "constant"))


def test_a_misspelt_initializer_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        initialise(mlp(), "he_norml")
    assert caught.value.remedy == "did you mean 'he_normal'?"


class Attending(nn.Module):
    """An embedding, an attention, a grouped and a transposed convolution, and an output tied to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 64, padding_idx=3)
        self.attention = nn.MultiheadAttention(64, 4)
        self.grouped = nn.Conv1d(64, 128, 5, groups=4)
        self.transposed = nn.ConvTranspose1d(96, 32, 4)
        self.output = nn.Linear(64, 50)
        self.output.weight = self.embedding.weight
        self.scale = nn.Parameter(torch.ones(5))


def test_fans_are_the_true_ones_of_grouped_transposed_and_stacked_weights() -> None:
    model: Any = initialised(Attending(), "glorot_normal")
    attention, grouped, transposed = model.attention, model.grouped, model.transposed
    for third in attention.in_proj_weight.chunk(3):
        assert third.var().item() == pytest.approx(2 / (64 + 64), rel=0.1)
    assert not attention.in_proj_bias.any()
    assert grouped.weight.var().item() == pytest.approx(2 / (16 * 5 + 32 * 5), rel=0.1)
    assert transposed.weight.var().item() == pytest.approx(2 / ((96 + 32) * 4), rel=0.1)
    he: Any = initialised(Attending(), "lecun_normal")
    assert he.transposed.weight.var().item() == pytest.approx(1 / (96 * 4), rel=0.1)
    assert torch.equal(model.scale, torch.ones(5))


@pytest.mark.parametrize("name", ["he_normal", "zero", AUTO])
def test_an_embedding_and_what_is_tied_to_it_begin_small(name: str) -> None:
    model: Any = initialised(Attending(), name)
    assert model.output.weight is model.embedding.weight
    assert not model.embedding.weight[3].any()  # the padding
    rows = torch.cat([model.embedding.weight[:3], model.embedding.weight[4:]])
    assert rows.std().item() == pytest.approx(0.02, rel=0.05)


def test_attention_with_other_sizes_of_keys_and_values_is_filled_too() -> None:
    attention = nn.MultiheadAttention(32, 2, kdim=48, vdim=40, bias=False)
    initialised(attention, "he_normal")
    for weight, fan_in in ((attention.q_proj_weight, 32), (attention.k_proj_weight, 48), (attention.v_proj_weight, 40)):
        assert weight is not None
        assert weight.var().item() == pytest.approx(1 / fan_in, rel=0.15)


def test_the_activation_that_follows_is_found_behind_norms_but_not_behind_other_weights() -> None:
    model = nn.Sequential(
        nn.Linear(4, 4),
        nn.LayerNorm(4),
        nn.Dropout(),
        nn.Tanh(),
        nn.Linear(4, 4),
        nn.Linear(4, 4),
        nn.GELU(),
        nn.ReLU(),
    )
    followers = following_activations(model)
    assert followers == {model[0]: model[3], model[5]: model[6]}


def hidden_units(name: str) -> list[torch.Tensor]:
    """Each hidden layer's weights after 30 steps of training on random labels."""
    model = mlp("tanh", width=16)
    initialised(model, name)
    before = copy_state(model)
    x, y = normal(64, 64), torch.arange(64) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    assert any(not torch.equal(value, before[key]) for key, value in model.state_dict().items())
    return [module.weight for module in model.modules() if isinstance(module, nn.Linear)][:-1]


@pytest.mark.parametrize("name", ["zero", "constant"])
def test_without_broken_symmetry_the_units_of_a_layer_never_differ(name: str) -> None:
    # G3: "all neurons compute identical gradients and never differentiate".
    for weight in hidden_units(name):
        torch.testing.assert_close(weight, weight[:1].expand_as(weight), rtol=1e-5, atol=1e-7)


def test_with_random_weights_the_units_of_a_layer_differ() -> None:
    for weight in hidden_units("glorot_normal"):
        assert torch.pdist(weight).min().item() > 0.1


def test_auto_pairs_he_with_rectifiers_glorot_with_tanh_and_a_small_last_layer() -> None:
    for activation, variance in (("relu", 2 / 300), ("tanh", 2 / (300 + 400) * activations.gain(nn.Tanh()) ** 2)):
        model = initialised(mlp(activation, width=400, depth=1, inputs=300), AUTO)
        first, last = [module for module in model.modules() if isinstance(module, nn.Linear)]
        assert first.weight.var().item() == pytest.approx(variance, rel=0.03)
        limit = 0.1 * math.sqrt(6 / (last.in_features + last.out_features))
        assert 0.9 * limit < last.weight.abs().max().item() <= limit * (1 + 1e-6)
