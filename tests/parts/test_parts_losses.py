"""What holds for every loss of the catalogue, with every option."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_parts_losses_twins import CASES, CLASSES, Case, every_case, samples, twin
from torch import nn
from torch.nn import functional as F

from trainwright.parts.losses import CATALOGUE, automatic, bce_with_logits, cross_entropy

HARD = ("ids", "tokens", "answers", "labels", "values", "columns")


def gradient_of(case: Case, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    leaf = output.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(case.loss(leaf, target), leaf)
    return gradient


@every_case
def test_every_loss_equals_its_formula(case: Case) -> None:
    output, target = samples(case, 50)
    # float64 on both sides; the naive logarithm of the twin loses some digits of 1e-16.
    assert case.loss(output, target).item() == pytest.approx(twin(case, output, target), rel=1e-12)


@every_case
def test_every_gradient_is_the_slope_of_the_formula(case: Case) -> None:
    output, target = samples(case, 7, seed=1)
    gradient = gradient_of(case, output, target).reshape(-1)
    h = 1e-5
    for place in range(output.numel()):
        step = torch.zeros(output.numel(), dtype=torch.float64)
        step[place] = h
        step = step.reshape(output.shape)
        slope = (twin(case, output + step, target) - twin(case, output - step, target)) / (2 * h)
        # The centred difference is off by h^2 times the third derivative, and by 1e-16 / h.
        assert gradient[place].item() == pytest.approx(slope, rel=1e-6, abs=1e-9)


@every_case
def test_every_loss_passes_torchs_own_gradient_check(case: Case) -> None:
    output, target = samples(case, 3, seed=2)
    assert torch.autograd.gradcheck(lambda z: case.loss(z, target), output.requires_grad_())


@given(cuts=st.lists(st.integers(1, 29), max_size=6, unique=True), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=5)
@every_case
def test_ragged_batches_weighed_by_their_counts_are_the_big_batch(case: Case, cuts: list[int], seed: int) -> None:
    output, target = samples(case, 30, seed=seed)
    edges = itertools.pairwise([0, *sorted(cuts), 30])
    loss, whole = case.loss, float(case.loss.count(target))
    total, gradient = 0.0, torch.zeros_like(output)
    for low, high in edges:
        part = output[low:high].clone().requires_grad_()
        share = loss(part, target[low:high]) * (loss.count(target[low:high]) / whole)
        (gradient[low:high],) = torch.autograd.grad(share, part)
        total += share.item()
    # Sums of at most a hundred float64 numbers in another order.
    assert total == pytest.approx(loss(output, target).item(), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(gradient, gradient_of(case, output, target), rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
@pytest.mark.parametrize("case", [case for case in CASES if case.spec.expects == "logits"], ids=str)
def test_every_logit_loss_and_its_gradient_stay_finite_at_extreme_logits(case: Case, size: float) -> None:
    output, target = samples(case, 40, scale=size)
    logits = output.float().requires_grad_()
    target = target.float() if target.is_floating_point() else target
    loss = case.loss(logits, target)
    loss.backward()
    assert logits.grad is not None
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    if not case.options and case.name != "focal":
        # (probability - target) / items: no entry can be larger than one item's share.
        assert logits.grad.abs().max() <= 1 / case.loss.count(target) + 1e-6


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("case", [case for case in CASES if case.name == "focal" and case.targets != "tokens"], ids=str)
def test_focal_has_a_sound_gradient_where_the_answer_is_certain(case: Case, answer: bool) -> None:
    # (1 - p)^gamma has an infinite slope at p = 1 for gamma below 1; rounding puts float32 there at a logit of 20.
    _, target = samples(case, 40)
    shape = (40, CLASSES) if case.targets != "answers" else (40, 1)
    truth = F.one_hot(target, CLASSES) if case.targets == "ids" else target.round().reshape(shape)
    output = (100.0 * (2 * truth - 1) * (1 if answer else -1)).float().requires_grad_()
    case.loss(output, target if case.targets == "ids" else truth).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()
    largest = output.grad.abs().max().item()
    assert largest < 1e-6 if answer else largest > 1e-4


@pytest.mark.parametrize("classes", [2, 3, 100])
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.spec.initial and case.targets in ("ids", "soft", "answers")], ids=str
)
def test_every_loss_starts_where_its_spec_says_when_no_class_is_favoured(case: Case, classes: int) -> None:
    spec, options = case.spec, dict(case.options)
    assert spec.initial is not None
    if case.targets == "answers":
        output, target, outputs = torch.zeros(8, 1, dtype=torch.float64), torch.arange(8) % 2, 1
    else:
        output, outputs = torch.zeros(2 * classes, classes, dtype=torch.float64), classes
        target = torch.arange(2 * classes) % classes
        if "weights" in options:
            options["weights"] = tuple(range(1, classes + 1))
        if case.targets == "soft":
            target = (torch.arange(2.0 * classes * classes, dtype=torch.float64).reshape(-1, classes) / 9).softmax(1)
    if spec.expects == "log-probabilities":
        output = output.log_softmax(1)
    value = spec.factory(**options)(output, target).item()
    assert value == pytest.approx(spec.initial(outputs, **options), rel=1e-12)


def test_ten_classes_start_at_2_302() -> None:
    # G2, chapter 2: "With 10 classes, that's log(10) = 2.302."
    initial = CATALOGUE["cross_entropy"].initial
    assert initial is not None
    assert math.floor(initial(10) * 1000) == 2302
    assert initial(10, label_smoothing=0.1, weights=(1.0,) * 10) == initial(10)
    loss = cross_entropy(torch.zeros(5, 10), torch.arange(5))
    assert loss.item() == pytest.approx(math.log(10), rel=1e-6)  # float32


@pytest.mark.parametrize("name", [name for name, spec in CATALOGUE.items() if not spec.initial])
def test_a_loss_without_an_initial_value_is_one_that_depends_on_the_targets(name: str) -> None:
    case = next(case for case in CASES if case.name == name and case.targets in ("values", "soft"))
    output, target = samples(case, 50)
    start = torch.zeros_like(output).log_softmax(1) if case.targets == "soft" else torch.zeros_like(output)
    other = target.square() / target.square().sum(1, keepdim=True) if case.targets == "soft" else 2 * target
    assert case.loss(start, target).item() != pytest.approx(case.loss(start, other).item(), rel=1e-2)


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=6)
@every_case
def test_no_loss_falls_below_its_floor(case: Case, seed: int, scale: float) -> None:
    output, target = samples(case, 8, seed=seed, scale=scale)
    assert case.loss(output, target).item() >= case.spec.floor(CLASSES, **case.options) * (1 - 1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if case.targets in HARD], ids=str)
def test_every_loss_reaches_its_floor_on_perfect_outputs(case: Case) -> None:
    _, target = samples(case, 20)
    if case.targets in ("ids", "tokens"):
        smoothing = case.options.get("label_smoothing", 0.0)
        truth = F.one_hot(target.clamp_min(0), CLASSES).double().movedim(-1, 1)
        wanted = (1 - smoothing) * truth + smoothing / CLASSES
        output = wanted.clamp_min(1e-44).log()
    elif case.targets in ("answers", "labels"):
        output = 100.0 * (2.0 * target.double() - 1)
    else:
        output = target.clone()
    # exp(-100) is 4e-44.
    floor = case.spec.floor(CLASSES, **case.options)
    assert case.loss(output, target).item() == pytest.approx(floor, rel=1e-12, abs=1e-40)


def test_the_floor_of_smoothing_is_the_entropy_of_the_smoothed_target() -> None:
    floor = CATALOGUE["cross_entropy"].floor
    # Ten classes, 0.1: the label keeps 0.91, each other class gets 0.01.
    assert floor(10, label_smoothing=0.1) == pytest.approx(-0.91 * math.log(0.91) - 0.09 * math.log(0.01), rel=1e-12)
    assert floor(10, label_smoothing=1.0) == pytest.approx(math.log(10), rel=1e-12)
    assert floor(10) == floor(10, weights=(1.0,) * 10) == 0.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@every_case
def test_every_loss_of_half_precision_is_computed_in_float32(case: Case, dtype: torch.dtype) -> None:
    output, target = samples(case, 20)
    output = output.to(dtype)
    value = case.loss(output, target.float() if target.is_floating_point() else target)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(twin(case, output.double(), target), rel=1e-5)


@every_case
def test_no_loss_and_no_count_reads_a_value(case: Case) -> None:
    # On the meta device there are none: what would make an accelerator wait raises here.
    output, target = samples(case, 20)
    value = case.loss(output.to("meta"), target.to("meta"))
    assert value.shape == ()
    count = case.loss.count(target.to("meta"))
    assert isinstance(count, float) or count.shape == ()


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


@pytest.mark.parametrize(
    ("task", "classes", "name"),
    [
        ("regression", 1, "mse"),
        ("regression", 2, "mse"),
        ("classification", 2, "bce_with_logits"),
        ("classification", 3, "cross_entropy"),
        ("classification", 1000, "cross_entropy"),
        ("multi-label", 2, "bce_with_logits"),
        ("multi-label", 5, "bce_with_logits"),
    ],
)
def test_the_task_chooses_the_loss(task: Any, classes: int, name: str) -> None:
    assert automatic(task, classes) == name
    assert task in CATALOGUE[name].tasks
    if task != "multi-label":
        units = CATALOGUE[name].output_units(classes)
        assert units == (1 if name == "bce_with_logits" else classes)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_loss_says_what_it_is_made_of(name: str) -> None:
    spec = CATALOGUE[name]
    plain = spec.factory()
    assert plain == spec.factory(**{option: record.default for option, record in spec.options.items()})
    assert set(spec.training_only) <= set(spec.options)
    assert spec.tasks
    assert all(record.source and record.meaning for record in spec.options.values())
    assert all(option in repr(plain) for option in spec.options)
