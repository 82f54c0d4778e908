"""What is drawn of a column: real points, the extremes at every zoom, and nothing hidden that is not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainwright.lab.columns import MOST_RAW, Column, draw, smoothed


def wave(size: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(size, dtype=float)
    return x, np.sin(x / 1000.0)


@pytest.mark.parametrize("place", [0, 1, 517_331, 999_998, 999_999])
def test_a_spike_of_one_step_is_drawn_at_full_zoom_out(place: int) -> None:
    x, y = wave(1_000_000)
    y[place] = 40.0
    drawn = draw(x, y, start=None, end=None, pixels=800)
    assert 40.0 in drawn.y
    assert drawn.x[list(drawn.y).index(40.0)] == place
    assert drawn.high == 40.0
    assert drawn.shown <= 4 * 800 + 4
    assert drawn.total == 1_000_000


def test_every_drawn_point_is_a_point_of_the_column_in_order() -> None:
    x, y = wave(60_000)
    drawn = draw(x, y, start=None, end=None, pixels=300)
    assert (np.diff(drawn.x) > 0).all()
    assert (y[drawn.x.astype(int)] == drawn.y).all()
    assert drawn.x[0] == 0
    assert drawn.x[-1] == 59_999


def test_few_points_come_whole_and_a_zoom_brings_them_back() -> None:
    x, y = wave(100_000)
    assert draw(x[:MOST_RAW], y[:MOST_RAW], start=None, end=None, pixels=100).shown == MOST_RAW
    near = draw(x, y, start=5_000, end=6_000, pixels=100)
    assert near.shown == near.total == 1_003  # one more beyond each end, for the line to run to the edge


def test_values_that_are_not_finite_stay_in_sight_and_are_counted() -> None:
    x, y = wave(20_000)
    y[7_000], y[12_000], y[12_001] = math.nan, math.inf, -math.inf
    drawn = draw(x, y, start=None, end=None, pixels=200)
    assert drawn.lost == (1, 1, 1)
    assert drawn.first_lost[0] == 7_000
    assert np.isnan(drawn.y).sum() == 2  # the two infinities share a pixel
    assert math.isfinite(drawn.high)


def test_a_lone_value_between_two_that_are_lost_is_kept() -> None:
    x, y = wave(20_000)
    y[:] = math.nan
    y[9_000] = 3.0
    drawn = draw(x, y, start=None, end=None, pixels=200)
    assert 3.0 in drawn.y
    assert (drawn.low, drawn.high) == (3.0, 3.0)


def test_an_empty_column_is_drawn_as_nothing() -> None:
    drawn = draw(np.empty(0), np.empty(0), start=None, end=None, pixels=200)
    assert drawn.shown == 0
    assert math.isnan(drawn.high)


def test_smoothing_looks_back_only_and_starts_without_a_bias() -> None:
    x, y = wave(500)
    whole = smoothed(x, y, 20.0)
    assert whole[0] == y[0]
    assert np.array_equal(whole[:300], smoothed(x[:300], y[:300], 20.0))
    assert smoothed(x, np.full(500, 2.5), 20.0) == pytest.approx(2.5)


def test_smoothing_halves_the_weight_after_its_half_life() -> None:
    x = np.array([0.0, 10.0])
    assert smoothed(x, np.array([0.0, 3.0]), 10.0)[1] == pytest.approx(3.0 / 1.5)


def test_smoothing_is_the_plain_recursion_over_any_steps() -> None:
    draws = np.random.default_rng(0)
    x = np.cumsum(draws.integers(1, 400, 3_000)).astype(float)
    y = draws.normal(size=3_000)
    y[[5, 6, 700]] = math.nan
    total = weight = 0.0
    plain = []
    for value, gap in zip(y, np.diff(x, prepend=x[:1]), strict=True):
        keep = 2 ** (-gap / 50)
        total, weight = total * keep, weight * keep
        if math.isfinite(value):
            total, weight = total + value, weight + 1
        plain.append(total / weight if math.isfinite(value) else math.nan)
    assert smoothed(x, y, 50.0) == pytest.approx(np.array(plain), rel=1e-9, abs=1e-9, nan_ok=True)


def test_smoothing_leaves_a_gap_where_a_value_is_lost() -> None:
    soft = smoothed(np.arange(3.0), np.array([1.0, math.nan, 1.0]), 2.0)
    assert np.isnan(soft).tolist() == [False, True, False]


def test_a_step_that_comes_again_replaces_what_came_at_and_after_it() -> None:
    column = Column()
    column.extend(np.arange(10.0), np.zeros(10))
    column.extend(np.array([6.0, 7.0]), np.ones(2))
    assert column.x.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert column.y.tolist() == [0] * 6 + [1, 1]
