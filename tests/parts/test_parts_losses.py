from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from trainwright.errors import ModelError
from trainwright.parts.losses import CATALOGUE, automatic, bce_with_logits, cross_entropy, mse, recognise
from trainwright.records import LossSpec

Array = np.ndarray


def cross_entropy_twin(z: Array, y: Array) -> float:
    softmax = np.exp(z - z.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    return float(np.mean(-np.log(softmax[np.arange(len(y)), y])))


def bce_twin(z: Array, y: Array) -> float:
    s = 1 / (1 + np.exp(-z))
    return float(np.mean(-(y * np.log(s) + (1 - y) * np.log(1 - s))))


def mse_twin(z: Array, y: Array) -> float:
    return float(np.mean((y - z) ** 2))


TWINS: dict[str, Callable[[Array, Array], float]] = {
    "cross_entropy": cross_entropy_twin,
    "bce_with_logits": bce_twin,
    "mse": mse_twin,
}


def samples(spec: LossSpec, count: int, *, seed: int = 0, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float64 outputs and fitting targets."""
    generator = torch.Generator().manual_seed(seed)
    output = scale * torch.randn(count, spec.output_units(4), generator=generator, dtype=torch.float64)
    if spec.target == "class-index":
        return output, torch.randint(0, output.shape[1], (count,), generator=generator)
    if spec.target == "binary":
        return output, torch.randint(0, 2, (count, 1), generator=generator)
    return output, torch.randn(output.shape, generator=generator, dtype=torch.float64)


def test_every_loss_has_a_twin() -> None:
    assert set(TWINS) == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_loss_equals_its_formula(name: str) -> None:
    output, target = samples(CATALOGUE[name], 50)
    # float64 on both sides; the naive logarithm of the twin loses some digits of 1e-16.
    expected = TWINS[name](output.numpy(), target.numpy())
    assert CATALOGUE[name].factory()(output, target).item() == pytest.approx(expected, rel=1e-12)


@given(cuts=st.lists(st.integers(1, 49), max_size=5, unique=True), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=30)
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_loss_is_the_mean_over_samples_however_they_are_split(name: str, cuts: list[int], seed: int) -> None:
    loss = CATALOGUE[name].factory()
    output, target = samples(CATALOGUE[name], 50, seed=seed)
    edges = [0, *sorted(cuts), 50]
    parts = [(high - low) * loss(output[low:high], target[low:high]).item() for low, high in itertools.pairwise(edges)]
    # Sums of fifty float64 numbers in another order.
    assert math.fsum(parts) / 50 == pytest.approx(loss(output, target).item(), rel=1e-12)


@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
@pytest.mark.parametrize("name", ["cross_entropy", "bce_with_logits"])
def test_every_logit_loss_keeps_a_finite_gradient_at_extreme_logits(name: str, size: float) -> None:
    output, target = samples(CATALOGUE[name], 40, scale=size)
    logits = output.float().requires_grad_()
    loss = CATALOGUE[name].factory()(logits, target)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    # (probability - target) / samples: no entry can be larger than one sample's share.
    assert logits.grad.abs().max() <= 1 / 40 + 1e-6


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
@pytest.mark.parametrize("name", [name for name, spec in CATALOGUE.items() if spec.initial])
def test_every_loss_starts_where_its_spec_says_when_no_class_is_favoured(name: str, classes: int) -> None:
    spec = CATALOGUE[name]
    assert spec.initial is not None
    logits = torch.zeros(2 * classes, spec.output_units(classes), dtype=torch.float64)
    target = torch.arange(2 * classes) % (2 if spec.target == "binary" else classes)
    assert spec.factory()(logits, target).item() == pytest.approx(spec.initial(classes), rel=1e-12)


def test_ten_classes_start_at_2_302() -> None:
    # G2, chapter 2: "With 10 classes, that's log(10) = 2.302."
    initial = CATALOGUE["cross_entropy"].initial
    assert initial is not None
    assert math.floor(initial(10) * 1000) == 2302
    loss = cross_entropy(torch.zeros(5, 10), torch.arange(5))
    assert loss.item() == pytest.approx(math.log(10), rel=1e-6)  # float32


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=50)
@pytest.mark.parametrize("name", CATALOGUE)
def test_no_loss_falls_below_its_floor(name: str, seed: int, scale: float) -> None:
    spec = CATALOGUE[name]
    output, target = samples(spec, 8, seed=seed, scale=scale)
    assert spec.factory()(output, target).item() >= spec.floor(4)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_loss_reaches_its_floor_on_perfect_outputs(name: str) -> None:
    spec = CATALOGUE[name]
    _, target = samples(spec, 20)
    if spec.target == "class-index":
        output = 100.0 * F.one_hot(target, spec.output_units(4)).double()
    elif spec.target == "binary":
        output = 100.0 * (2.0 * target.double() - 1)
    else:
        output = target.clone()
    # exp(-100) is 4e-44.
    assert spec.factory()(output, target).item() == pytest.approx(spec.floor(4), abs=1e-40)


@pytest.mark.parametrize("name", ["bce_with_logits", "mse"])
@pytest.mark.parametrize(("out", "wanted"), [((6, 1), (6,)), ((6,), (6, 1)), ((6, 1), (6, 1)), ((1, 1), (1,))])
def test_a_column_against_a_row_is_never_broadcast(name: str, out: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    output, target = samples(CATALOGUE["bce_with_logits"], out[0])
    value = CATALOGUE[name].factory()(output.reshape(out), target.double().reshape(wanted))
    expected = TWINS[name](output.numpy(), target.numpy())
    assert value.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "out", "wanted"),
    [
        ("mse", (6, 2), (6,)),
        ("mse", (6,), (6, 2)),
        ("mse", (6, 2), (6, 1)),
        ("mse", (2, 3), (3, 2)),
        ("mse", (6, 2), (12,)),
        ("mse", (5, 1), (6, 1)),
        ("bce_with_logits", (6, 2), (6,)),
        ("bce_with_logits", (6, 2), (6, 1)),
        ("bce_with_logits", (5,), (6,)),
        ("cross_entropy", (6,), (6,)),
        ("cross_entropy", (6, 3), (6, 1)),
        ("cross_entropy", (6, 3), (5,)),
        ("cross_entropy", (6, 3), (6, 3)),
        ("cross_entropy", (6, 3, 4), (6, 3)),
        ("cross_entropy", (6, 3, 4), (6,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused_naming_both(
    name: str, out: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    dtype = torch.int64 if name == "cross_entropy" else torch.float32
    with pytest.raises(ModelError) as caught:
        CATALOGUE[name].factory()(torch.zeros(out), torch.zeros(wanted, dtype=dtype))
    assert str(out) in str(caught.value)
    assert str(wanted) in str(caught.value)


def test_cross_entropy_takes_probabilities_and_places() -> None:
    logits = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ids = torch.randint(0, 3, (5, 4), generator=torch.Generator().manual_seed(1))
    flat = cross_entropy(logits.transpose(1, 2).reshape(-1, 3), ids.reshape(-1))
    assert cross_entropy(logits, ids).item() == pytest.approx(flat.item(), rel=1e-12)
    hard = cross_entropy(logits[..., 0], F.one_hot(ids[:, 0], 3).double())
    assert hard.item() == pytest.approx(cross_entropy(logits[..., 0], ids[:, 0]).item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8, torch.float64])
def test_labels_of_any_type_are_taken(dtype: torch.dtype) -> None:
    target = torch.tensor([0, 1, 1]).to(dtype)
    value = bce_with_logits(torch.tensor([[0.3], [-1.0], [2.0]]), target)
    assert value.item() == pytest.approx(bce_twin(np.array([0.3, -1.0, 2.0]), np.array([0, 1, 1])), rel=1e-6)
    assert mse(torch.zeros(3), target).dtype == torch.float32


def test_the_error_signal_of_the_guides_two_layer_net() -> None:
    # G4, backpropagation: x -> [W1, b1] -> ReLU -> [W2, b2] -> sigmoid -> BCE, one sample, all by hand.
    rng = np.random.default_rng(3)
    w1, b1, w2, b2 = (rng.normal(size=shape) for shape in [(5, 3), (5,), (1, 5), (1,)])
    x, y = rng.normal(size=3), 1.0
    z1 = w1 @ x + b1
    a1 = np.maximum(z1, 0)
    z2 = w2 @ a1 + b2
    y_hat = 1 / (1 + np.exp(-z2))
    dz2 = y_hat - y
    dz1 = (dz2 @ w2) * (z1 > 0)
    by_hand = [np.outer(dz1, x), dz1, np.outer(dz2, a1), dz2]
    assert 0 < (z1 > 0).sum() < 5  # some gates open, some shut

    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1)).double()
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (w1, b1, w2, b2), strict=True):
            parameter.copy_(torch.tensor(value))
    logit = net(torch.tensor(x[None]))
    logit.retain_grad()
    loss = bce_with_logits(logit, torch.tensor([y]))
    loss.backward()
    assert logit.grad is not None
    assert loss.item() == pytest.approx(-np.log(y_hat).item(), rel=1e-12)
    np.testing.assert_allclose(logit.grad.numpy()[0], dz2, rtol=1e-12)
    for parameter, value in zip(net.parameters(), by_hand, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), value, rtol=1e-12)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_loss_of_torch_that_a_spec_names_is_recognised(name: str) -> None:
    spec = CATALOGUE[name]
    assert recognise(spec.factory()) is spec
    for torch_name in spec.torch_names:
        found = getattr(nn, torch_name, None)
        loss = found() if found is not None else getattr(F, torch_name)
        assert recognise(loss) is spec
        output, target = samples(spec, 20)
        if spec.target == "binary":
            target = target.to(output.dtype)
        assert loss(output, target).item() == pytest.approx(spec.factory()(output, target).item(), rel=1e-12)


class CrossEntropyLoss(nn.Module):
    """A stranger of the same name."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target)


class Weighted(nn.CrossEntropyLoss):
    """A child of torch's own class: what it computes is its own affair."""


def mse_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (output - target).abs().mean()


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropyLoss(),
        Weighted(),
        mse_loss,
        nn.NLLLoss(),
        nn.L1Loss(),
        F.nll_loss,
        lambda output, target: 0,
        None,
        3,
    ],
)
def test_what_is_no_loss_of_the_catalogue_is_not_recognised(loss: Any) -> None:
    assert recognise(loss) is None


@pytest.mark.parametrize(
    ("task", "classes", "name"),
    [
        ("regression", 1, "mse"),
        ("regression", 2, "mse"),
        ("classification", 2, "bce_with_logits"),
        ("classification", 3, "cross_entropy"),
        ("classification", 1000, "cross_entropy"),
    ],
)
def test_the_task_chooses_the_loss(task: Any, classes: int, name: str) -> None:
    assert automatic(task, classes) == name
    assert task in CATALOGUE[name].tasks
    units = CATALOGUE[name].output_units(classes)
    assert units == (1 if name == "bce_with_logits" else classes)
