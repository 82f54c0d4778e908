from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.parts.schedules import CATALOGUE, Schedule, constant, cosine, fraction_of, step, warmup_cosine

GRID = [place / 1000 for place in range(1001)]


def corners(name: str) -> list[dict[str, float]]:
    """Return the default options, and every combination of their extremes."""
    options = CATALOGUE[name].options
    ends = []
    for record in options.values():
        low = record.minimum if not record.minimum_excluded else record.minimum + 1e-3
        ends.append((low, record.default, record.maximum))
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*ends)]


ALL = [(name, options) for name in CATALOGUE for options in corners(name)]


def default(name: str) -> Schedule:
    return CATALOGUE[name].factory(**{option: record.default for option, record in CATALOGUE[name].options.items()})


@pytest.mark.parametrize(("name", "options"), ALL)
def test_every_schedule_stays_between_nothing_and_the_full_rate(name: str, options: dict[str, float]) -> None:
    schedule = CATALOGUE[name].factory(**options)
    values = [schedule(fraction) for fraction in GRID]
    assert min(values) >= 0
    assert max(values) <= 1 + 1e-12  # (1 + cos) / 2 may round up


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_schedule_is_pure(name: str) -> None:
    schedule, again = default(name), default(name)
    forwards = [schedule(fraction) for fraction in GRID]
    backwards = [schedule(fraction) for fraction in reversed(GRID)]
    assert forwards == backwards[::-1]
    assert forwards == [again(fraction) for fraction in GRID]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_schedule_reads_each_of_its_options(name: str) -> None:
    plain = [default(name)(fraction) for fraction in GRID]
    for option, record in CATALOGUE[name].options.items():
        others = {key: other.default for key, other in CATALOGUE[name].options.items()}
        changed = CATALOGUE[name].factory(**(others | {option: record.default / 2 + 0.1}))
        assert [changed(fraction) for fraction in GRID] != plain, option


@pytest.mark.parametrize("name", ["constant", "cosine", "warmup_cosine"])
def test_no_schedule_but_step_decay_jumps(name: str) -> None:
    values = [default(name)(fraction) for fraction in GRID]
    # The steepest is the warmup, which climbs to 1 over a twentieth of the run: 0.02 in a thousandth.
    assert max(abs(after - before) for before, after in itertools.pairwise(values)) <= 0.02 + 1e-9


def test_the_warmup_meets_the_cosine_where_it_ends() -> None:
    schedule = warmup_cosine(0.1, 0.2)
    assert schedule(0.1 - 1e-9) == pytest.approx(1, abs=1e-7)
    assert schedule(0.1 + 1e-9) == pytest.approx(1, abs=1e-7)


def test_the_constant_schedule_does_nothing() -> None:
    assert {constant()(fraction) for fraction in GRID} == {1.0}


@pytest.mark.parametrize("floor", [0.0, 0.1, 1.0])
def test_cosine_passes_the_corners_of_its_formula(floor: float) -> None:
    # G2, chapter 6: eta_min + (eta_max - eta_min) (1 + cos(pi t / T)) / 2.
    schedule = cosine(floor)
    assert schedule(0.0) == 1.0
    assert schedule(1 / 2) == pytest.approx((1 + floor) / 2, rel=1e-12)
    assert schedule(1.0) == pytest.approx(floor, abs=1e-15)
    assert schedule(1 / 3) == pytest.approx(floor + (1 - floor) * 0.75, rel=1e-12)


@pytest.mark.parametrize("warmup", [0.05, 0.1, 0.5])
def test_warmup_climbs_in_a_straight_line_then_the_cosine_falls(warmup: float) -> None:
    schedule = warmup_cosine(warmup, 0.0)
    assert schedule(0.0) == 0.0
    assert schedule(warmup / 4) == pytest.approx(0.25)
    assert schedule(warmup / 2) == pytest.approx(0.5)
    assert schedule(warmup) == pytest.approx(1.0)
    assert schedule(warmup + (1 - warmup) / 2) == pytest.approx(0.5)
    assert schedule(1.0) == pytest.approx(0.0, abs=1e-15)


def test_without_warmup_only_the_cosine_is_left() -> None:
    assert [warmup_cosine(0.0, 0.1)(fraction) for fraction in GRID] == [cosine(0.1)(fraction) for fraction in GRID]


@pytest.mark.parametrize("steps_per_epoch", [1, 7, 390])
def test_step_decay_drops_at_epochs_30_60_and_90_of_100(steps_per_epoch: int) -> None:
    # G2, chapter 6: "reduce by 10x at epochs 30, 60, and 90 for a 100-epoch run".
    schedule = default("step")
    for epoch in range(100):
        drops = sum(epoch >= drop for drop in (30, 60, 90))
        for place in {0, steps_per_epoch - 1}:
            fraction = fraction_of(epoch * steps_per_epoch + place, 100 * steps_per_epoch)
            assert schedule(fraction) == pytest.approx(0.1**drops), epoch


@pytest.mark.parametrize("count", [3, 7, 10, 49])
def test_step_decay_drops_on_its_boundaries_and_not_one_step_behind(count: int) -> None:
    schedule = step(1 / count, 0.5)
    assert [schedule(place / count) for place in range(count + 1)] == [0.5**place for place in range(count + 1)]


@given(planned=st.integers(1, 10**7), data=st.data())
def test_the_rate_of_a_step_is_read_inside_the_run(planned: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, planned - 1))
    fraction = fraction_of(number, planned)
    assert 0 < fraction < 1
    assert number / planned < fraction < (number + 1) / planned


@pytest.mark.parametrize("planned", [1, 2, 20, 1000])
def test_neither_the_first_step_of_a_warmup_nor_the_last_of_a_decay_is_lost(planned: int) -> None:
    schedule = default("warmup_cosine")
    rates = [schedule(fraction_of(number, planned)) for number in range(planned)]
    assert min(rates) > 0
    if planned == 1000:
        assert rates[0] < 0.02  # not at the full rate before the warmup begins
        assert rates[-1] < 1e-5  # and at its end there


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_comes_down_does_not_go_up_again(name: str) -> None:
    values = [default(name)(fraction) for fraction in GRID]
    peak = values.index(max(values))
    assert values[:peak] == sorted(values[:peak])
    assert values[peak:] == sorted(values[peak:], reverse=True)
    assert math.isfinite(sum(values))
