from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.report.axes import axis_for, tick_labels
from trainwright.report.curves import MIN_LIMIT, decimate, smooth

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=1, max_size=400), st.integers(MIN_LIMIT, 60))
def test_decimation_keeps_the_ends_and_the_extremes(values: list[float], limit: int) -> None:
    curve = decimate(range(len(values)), values, limit)
    assert len(curve.steps) <= limit
    assert (curve.steps[0], curve.steps[-1]) == (0, len(values) - 1)
    assert (min(curve.values), max(curve.values)) == (min(values), max(values))
    assert list(curve.steps) == sorted(set(curve.steps))
    assert all(values[int(step)] == value for step, value in zip(curve.steps, curve.values, strict=True))
    assert curve.total == len(values)


@given(st.lists(st.floats(), min_size=1, max_size=400), st.integers(MIN_LIMIT, 60))
def test_decimation_hides_no_nan(values: list[float], limit: int) -> None:
    curve = decimate(range(len(values)), values, limit)
    assert len(curve.steps) <= limit
    odd = [index for index, value in enumerate(values) if not math.isfinite(value)]
    kept = [step for step, value in zip(curve.steps, curve.values, strict=True) if not math.isfinite(value)]
    assert curve.nan + curve.infinite == len(odd)
    assert (kept[:1], kept[-1:]) == (odd[:1], odd[-1:])
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        shown = [value for _, value in curve.finite()]
        assert (min(shown), max(shown)) == (min(finite), max(finite))


def test_a_short_curve_is_left_whole() -> None:
    curve = decimate([0, 1, 2], [3.0, math.nan, 1.0], 8)
    assert curve.steps == (0, 1, 2)
    assert not curve.decimated
    assert list(curve.segments()) == [[(0, 3.0)], [(2, 1.0)]]


def test_too_low_a_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 points"):
        decimate([0], [1.0], 3)


def test_smoothing_looks_back_only() -> None:
    start = [1.0, 3.0, 2.0, 5.0]
    assert smooth([*start, 1e9], 10)[:4] == smooth([*start, -1e9], 10)[:4]


def test_smoothing_passes_over_what_is_not_finite() -> None:
    result = smooth([2.0, math.nan, math.inf, 2.0], 10)
    assert result[0] == result[3] == 2.0
    assert math.isnan(result[1])
    assert math.isinf(result[2])


@given(st.lists(FINITE, min_size=1, max_size=30), st.booleans(), st.booleans())
def test_every_value_lies_on_its_axis_and_the_ticks_too(values: list[float], log: bool, zero: bool) -> None:
    axis = axis_for(values, allow_log=log, zero=zero)
    assert axis is not None
    assert all(0.0 <= axis.place(value) <= 1.0 for value in values)
    assert axis.low < axis.high
    ticks = axis.ticks()
    assert len(ticks) <= 14
    assert all(axis.low <= tick <= axis.high for tick in ticks)
    assert all(len(label) <= 10 for label in tick_labels(ticks))


@pytest.mark.parametrize(
    ("values", "log"),
    [([0.1, 2.0], False), ([0.01, 2.0], True), ([0.0, 0.01, 2.0], False), ([-1.0, 0.01, 2.0], False), ([1.0], False)],
)
def test_the_axis_is_logarithmic_for_positive_values_beyond_one_and_a_half_decades(
    values: list[float], log: bool
) -> None:
    axis = axis_for(values, allow_log=True)
    assert axis is not None
    assert axis.log is log
    linear = axis_for(values, allow_log=False)
    assert linear is not None
    assert not linear.log


def test_a_curve_that_differs_in_its_last_digits_alone_is_constant() -> None:
    axis = axis_for([1e-3, 1e-3 + 2e-19], allow_log=True)
    assert axis is not None
    assert axis.high > 1.1 * axis.low


def test_no_finite_value_gives_no_axis() -> None:
    assert axis_for([math.nan, math.inf], allow_log=True) is None


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 0.001, 0.002], ["0", "0.001", "0.002"]),
        ([0.0, 0.0005, 0.001], ["0", "0.0005", "0.0010"]),
        ([0.0, 2e-5, 4e-5], ["0", "2e-5", "4e-5"]),
        ([0.01, 0.1, 1.0, 10.0], ["0.01", "0.1", "1", "10"]),
        ([1e-6, 1e-3, 1.0], ["1e-6", "0.001", "1"]),
        ([0.0, 5e29, 1e30], ["0", "5e29", "1e30"]),
        ([0.002], ["0.002"]),
        ([], []),
    ],
)
def test_tick_labels_are_short(ticks: list[float], labels: list[str]) -> None:
    assert tick_labels(ticks) == labels
