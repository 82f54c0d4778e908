"""The sweep: where the loss falls fastest in the logarithm of the rate, and when it tells nothing."""

from __future__ import annotations

import math

import pytest
import torch

from trainwright.search.finder_sweep import HIGH, LOW, judged

STEPS = 200
RATES = [LOW * (HIGH / LOW) ** (step / (STEPS - 1)) for step in range(STEPS)]


def falling(centre: float, noise: float = 0.0) -> list[float]:
    """Fall from 2 to 1 around `centre`, and rise again two decades above."""
    generator = torch.Generator().manual_seed(0)
    drawn = (noise * torch.randn(STEPS, generator=generator)).tolist()
    places = [math.log10(rate / centre) for rate in RATES]
    return [2 - 1 / (1 + math.exp(-3 * p)) + max(0.0, p - 2) ** 2 + d for p, d in zip(places, drawn, strict=True)]


@pytest.mark.parametrize("centre", [1e-4, 1e-2, 0.3])
def test_the_steepest_place_is_found_in_the_logarithm_of_the_rate(centre: float) -> None:
    assert judged(RATES, falling(centre), STEPS).steepest == pytest.approx(centre, rel=0.2)


def test_noise_at_tiny_rates_does_not_win() -> None:
    assert judged(RATES, falling(1e-2, noise=0.05), STEPS).steepest == pytest.approx(1e-2, rel=1.0)


def test_a_cliff_between_two_batches_before_the_fall_does_not_win() -> None:
    losses = falling(0.1)
    losses[70:74] = [4.0, 3.5, 1.2, 1.0]
    assert judged(RATES, losses, STEPS).steepest == pytest.approx(0.1, rel=0.5)


def test_no_answer_where_the_loss_is_noise() -> None:
    generator = torch.Generator().manual_seed(1)
    losses = (2 + 0.1 * torch.randn(STEPS, generator=generator)).tolist()
    swept = judged(RATES, losses, STEPS)
    assert swept.steepest is None
    assert "never falls" in swept.reason


def test_too_few_points_give_no_answer() -> None:
    swept = judged(RATES[:10], falling(1e-2)[:10], 10)
    assert swept.steepest is None
    assert "too few points" in swept.reason


def test_losses_that_end_in_nan_are_read_up_to_there() -> None:
    losses = falling(1e-3)
    cut = next(place for place, rate in enumerate(RATES) if rate > 0.05)
    assert judged(RATES[: cut + 1], [*losses[:cut], math.nan], STEPS).steepest == pytest.approx(1e-3, rel=0.3)
