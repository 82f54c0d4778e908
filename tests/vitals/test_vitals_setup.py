from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from trainwright.parts.losses import CATALOGUE
from trainwright.vitals.setup import constant_loss, has_input_norm, input_stats, target_stats


def inputs(count: int = 300, features: int = 6, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([1.0, 2.0, 0.5, 30.0, 1.0, 4.0])[:features]
    return torch.randn(count, features, generator=generator) * scale + torch.arange(features)


@pytest.mark.parametrize("shape", [(300, 6), (300, 2, 3), (300, 6, 1, 1)])
def test_input_statistics_are_those_of_numpy(shape: tuple[int, ...]) -> None:
    x = inputs()
    stats = input_stats(x.reshape(shape))
    values = x.double().numpy()
    deviations = values.std(0)
    assert (stats.samples, stats.features) == (300, 6)
    assert stats.mean == pytest.approx(values.mean(), rel=1e-12)
    assert stats.std == pytest.approx(values.std(), rel=1e-12)
    assert (stats.minimum, stats.maximum) == (values.min(), values.max())
    # torch's median is the lower of the two in the middle.
    middle = np.sort(deviations)[2]
    assert stats.spread == pytest.approx(deviations.max() / middle, rel=1e-9)
    offsets = np.sort(np.abs(values.mean(0)) / deviations)
    assert stats.offset == pytest.approx(offsets[2], rel=1e-9)
    assert (stats.integral, stats.non_finite, stats.constant_features) == (False, 0, 0)


def test_constant_features_are_counted_and_left_out() -> None:
    x = inputs()
    for column, value in ((1, 0.0), (4, 0.1), (5, 1e8)):
        x[:, column] = value
    stats = input_stats(x)
    assert stats.constant_features == 3
    deviations = np.sort(x.double().numpy().std(0)[[0, 2, 3]])
    assert stats.spread == pytest.approx(deviations[-1] / deviations[1], rel=1e-9)


def test_inputs_that_do_not_vary_at_all_have_no_spread() -> None:
    stats = input_stats(torch.full((20, 3), 7.0))
    assert (stats.constant_features, stats.spread, stats.offset, stats.std) == (3, 1.0, 0.0, 0.0)


def test_values_that_are_not_finite_are_counted_and_left_out() -> None:
    x = inputs()
    known = x.double().numpy().copy()
    x[3, 1], x[4, 2], x[5, 2] = math.nan, math.inf, -math.inf
    known[3, 1], known[4, 2], known[5, 2] = np.nan, np.nan, np.nan
    stats = input_stats(x)
    assert stats.non_finite == 3
    assert stats.mean == pytest.approx(np.nanmean(known), rel=1e-12)
    assert stats.std == pytest.approx(np.nanstd(known), rel=1e-12)
    assert stats.maximum == np.nanmax(known)
    deviations = np.sort(np.nanstd(known, 0))
    assert stats.spread == pytest.approx(deviations[-1] / deviations[2], rel=1e-9)
    assert stats.constant_features == 0


def test_inputs_without_one_finite_value_are_described_all_the_same() -> None:
    stats = input_stats(torch.full((5, 2), math.nan))
    assert (stats.non_finite, stats.mean, stats.constant_features) == (10, 0.0, 2)


def test_bad_values_are_counted_among_all_samples_and_not_only_those_measured() -> None:
    x = torch.zeros(20_001, 2)
    x[20_000, 1] = math.nan
    stats = input_stats(x)
    assert stats.non_finite == 1
    assert stats.samples <= 4096


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.bool])
def test_bytes_and_whole_numbers_are_known_as_such(dtype: torch.dtype) -> None:
    x = torch.arange(60).reshape(20, 3).to(dtype)
    stats = input_stats(x)
    assert stats.integral
    assert stats.maximum == float(x.max())
    assert not input_stats(x.float() + 0.5).integral


@given(factor=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
@settings(deadline=None, max_examples=25)
def test_statistics_move_with_scale_and_shift(factor: float, shift: float) -> None:
    x = inputs().double()
    plain, moved = input_stats(x), input_stats(factor * x + shift)
    assert moved.mean == pytest.approx(factor * plain.mean + shift, rel=1e-9, abs=1e-9)
    assert moved.std == pytest.approx(factor * plain.std, rel=1e-9)
    assert moved.spread == pytest.approx(plain.spread, rel=1e-9)


def test_target_statistics_are_over_all_targets() -> None:
    y = torch.tensor([2, 0, 1, 1, 2, 2])
    stats = target_stats(y, "cross_entropy")
    assert (stats.samples, stats.minimum, stats.maximum, stats.distinct) == (6, 0, 2, 3)
    assert stats.integral
    values = torch.tensor([[0.5, 1.0], [2.0, -3.0]])
    stats = target_stats(values, "mse")
    assert (stats.samples, stats.minimum, stats.maximum, stats.distinct, stats.integral) == (2, -3.0, 2.0, 4, False)
    assert target_stats(values.round(), "mse").integral


def entropy(shares: np.ndarray) -> float:
    return float(-np.sum(shares * np.log(shares)))


@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=60))
@settings(deadline=None)
def test_the_best_constant_logits_give_the_entropy_of_the_labels(labels: list[int]) -> None:
    y = torch.tensor(labels)
    found = constant_loss(y, "cross_entropy")
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    assert found == pytest.approx(entropy(shares), rel=1e-12, abs=1e-12)
    # And no constant logits do better, by the loss itself.
    counts = torch.bincount(y, minlength=6).double()
    logits = (counts / counts.sum()).log().clamp_min(-1e3).expand(len(y), 6)
    assert found == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-9, abs=1e-9)
    worse = F.cross_entropy(logits + 0.1 * torch.randn(6, dtype=torch.float64), y).item()
    assert found is not None
    assert worse >= found - 1e-12


@pytest.mark.parametrize("column", [False, True])
@given(values=st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=40))
@settings(deadline=None)
def test_the_best_constant_logit_is_that_of_the_mean_target(column: bool, values: list[float]) -> None:
    y = torch.tensor(values, dtype=torch.float64)
    share = min(max(y.mean().item(), 1e-12), 1 - 1e-12)
    logit = torch.full_like(y, math.log(share / (1 - share)))
    found = constant_loss(y[:, None] if column else y, "bce_with_logits")
    assert found == pytest.approx(F.binary_cross_entropy_with_logits(logit, y).item(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_the_best_constant_of_the_squared_error_leaves_the_variance(shape: tuple[int, ...]) -> None:
    y = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 100
    expected = F.mse_loss(y.double().mean(0).expand_as(y), y.double()).item()
    assert constant_loss(y, "mse") == pytest.approx(expected, rel=1e-12)
    assert constant_loss(y, "mse") == pytest.approx(y.double().numpy().var(0).mean(), rel=1e-12)


def test_the_best_constant_of_the_absolute_error_is_the_median() -> None:
    y = torch.tensor([0.0, 1.0, 1.0, 2.0, 10.0])
    assert constant_loss(y, "mae") == pytest.approx(np.abs(y.numpy() - 1.0).mean())


def test_tokens_that_do_not_count_are_left_out_of_the_entropy() -> None:
    y = torch.tensor([[0, 1, -100], [1, 0, -100]])
    assert constant_loss(y, "cross_entropy") == pytest.approx(math.log(2))


def test_losses_whose_best_constant_has_no_closed_form_have_none() -> None:
    y = torch.tensor([0, 1, 1, 0, 1])
    known = {"cross_entropy", "nll", "bce_with_logits", "mse", "mae"}
    assert known <= set(CATALOGUE)
    for name in CATALOGUE:
        assert (constant_loss(y, name) is not None) == (name in known)
    assert constant_loss(y, "") is None
    assert constant_loss(y, "huber") is None
    assert constant_loss(torch.full((5, 3), 1 / 3), "cross_entropy") is None


def test_balanced_classes_cost_the_logarithm_of_their_number() -> None:
    assert constant_loss(torch.arange(1000) % 10, "cross_entropy") == pytest.approx(math.log(10), rel=1e-12)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)), True),
        (nn.Sequential(nn.Flatten(), nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2))), True),
        (nn.Sequential(nn.LayerNorm(3, elementwise_affine=False), nn.Linear(3, 2)), True),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), False),
        (nn.Linear(3, 2), False),
        (nn.ReLU(), False),
    ],
)
def test_a_normalisation_counts_only_where_it_comes_first(model: nn.Module, expected: bool) -> None:
    assert has_input_norm(model) is expected
