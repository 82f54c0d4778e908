"""What is refused because it would not do what was meant, and how far the rates used were from those that were due."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.errors import UsageError
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.schedules import CATALOGUE, Schedule, deviation, fraction_of, problem, rates

REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("step", {"every": 1.0}, ["first drop, at 1 of the run, never happens", "smaller share"]),
    ("step", {"every": 0.05, "warmup": 0.1}, ["at 0.05 of the run, comes before the warmup ends, at 0.1"]),
    ("step", {"factor": 1.0}, ["factor 1 never changes the rate", "constant"]),
    ("multistep", {"at": ()}, ["there is no drop in 'at'", "[0.3, 0.6, 0.9]"]),
    ("multistep", {"at": (0.3, 1.0)}, ["the drop at 1 never happens", "0.3 for epoch 30 of 100"]),
    ("multistep", {"at": (30, 60, 90)}, ["the drop at 30 never happens", "fractions of the run"]),
    ("multistep", {"at": (0.6, 0.3, 0.9)}, ["[0.6, 0.3, 0.9] do not ascend", "[0.3, 0.6, 0.9]"]),
    ("multistep", {"at": (0.3, 0.3)}, ["[0.3, 0.3] do not ascend", "each once: [0.3]"]),
    ("multistep", {"at": (0.1, 0.6), "warmup": 0.2}, ["at 0.1 of the run, comes before the warmup ends, at 0.2"]),
    ("multistep", {"factor": 1.0}, ["factor 1 never changes the rate"]),
    ("wsd", {"warmup": 0.4, "decay": 0.7}, ["warmup 0.4 and decay 0.7", "longer than the run", "at most 0.6"]),
    ("wsd", {"decay": 1.0}, ["warmup 0.05 and decay 1", "at most 0.95"]),
    ("one_cycle", {"low_momentum": 0.96}, ["low_momentum 0.96 is above high_momentum 0.95", "exchange"]),
    ("plateau", {"factor": 1.0}, ["factor 1 never changes the rate"]),
    ("plateau", {"floor": 1.0}, ["floor 1 never lets the rate be lowered", "below 1"]),
]


@pytest.mark.parametrize(("name", "options", "said"), REFUSED)
def test_what_would_never_come_about_is_refused_with_the_remedy(
    name: str, options: dict[str, Any], said: list[str]
) -> None:
    found = problem(name, options)
    assert found is not None
    with pytest.raises(UsageError) as caught:
        CATALOGUE[name].factory(**options)
    assert caught.value.remedy
    assert caught.value.what.startswith(f"schedule {name}: ")
    for words in said:
        assert words in found
        assert words in str(caught.value)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_defaults_of_every_schedule_have_no_problem(name: str) -> None:
    assert problem(name, {}) is None
    assert problem(name, resolve_options(CATALOGUE[name].options, {}, name)) is None


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("wsd", {"warmup": 0.3, "decay": 0.7}),
        ("wsd", {"warmup": 0.1, "decay": 0.9}),
        ("step", {"every": 0.9}),
        ("multistep", {"at": (0.999,)}),
        ("multistep", {"at": [0.2, 0.5]}),
        ("one_cycle", {"low_momentum": 0.95}),
    ],
)
def test_what_just_fits_is_not_refused(name: str, options: dict[str, Any]) -> None:
    assert problem(name, options) is None
    schedule = CATALOGUE[name].factory(**options)
    assert schedule(1.0) <= schedule(0.5)


def test_an_unknown_schedule_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="there is no schedule 'one_cylce'") as caught:
        problem("one_cylce", {})
    assert caught.value.remedy == "did you mean 'one_cycle'?"


def test_epochs_for_places_are_refused_by_their_range_with_the_remedy_beside_it() -> None:
    with pytest.raises(UsageError, match="each number of at must be above 0 and at most 1, not 30") as caught:
        resolve_options(CATALOGUE["multistep"].options, {"at": [30, 60]}, "schedule multistep")
    assert "0.3 for epoch 30 of 100" in caught.value.evidence


# --- The rates used, against the closed form

PLANNED = 200


def schedule_of(name: str, **options: Any) -> Schedule:
    return CATALOGUE[name].factory(**options)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_run_that_used_the_schedules_rates_does_not_deviate(name: str) -> None:
    schedule = schedule_of(name)
    assert deviation(schedule, list(enumerate(rates(schedule, PLANNED, 0.3))), PLANNED, 0.3) == 0.0


def test_a_schedule_stepped_once_an_epoch_deviates() -> None:
    schedule = schedule_of("warmup_cosine")
    used = [(step, 0.3 * schedule(fraction_of(step // 20 * 20, PLANNED))) for step in range(PLANNED)]
    assert deviation(schedule, used, PLANNED, 0.3) > 0.5


@settings(max_examples=50, deadline=None)
@given(wrong=st.integers(0, PLANNED - 1), factor=st.floats(0.1, 10).filter(lambda value: abs(value - 1) > 1e-6))
def test_one_wrong_rate_is_found_and_measured_against_the_one_due(wrong: int, factor: float) -> None:
    schedule = schedule_of("cosine", warmup=0.1)
    used = rates(schedule, PLANNED, 0.3)
    used[wrong] *= factor
    assert deviation(schedule, list(enumerate(used)), PLANNED, 0.3) == pytest.approx(abs(factor - 1), rel=1e-6)


def test_skipped_steps_are_no_deviation_where_they_are_told_and_one_where_they_are_not() -> None:
    schedule = schedule_of("cosine", warmup=0.2)
    skipped = {5, 6, 30}
    used, performed = [], 0
    for step in range(PLANNED):
        used.append((step, 0.3 * schedule.multiple(fraction_of(step, PLANNED), fraction_of(performed, PLANNED))))
        performed += step not in skipped
    assert deviation(schedule, used, PLANNED, 0.3, skipped=skipped) == 0.0
    assert deviation(schedule, used[::7], PLANNED, 0.3, skipped=skipped) == 0.0  # a sample of them will do
    assert deviation(schedule, used, PLANNED, 0.3) > 0.05


@pytest.mark.parametrize("strange", [math.nan, math.inf])
def test_a_rate_that_is_no_number_deviates_without_end(strange: float) -> None:
    assert deviation(schedule_of("constant"), [(0, 0.3), (1, strange), (2, 0.3)], 3, 0.3) == math.inf


def test_a_run_without_a_step_deviates_by_nothing() -> None:
    assert deviation(schedule_of("cosine"), [], PLANNED, 0.3) == 0.0


def test_rounding_near_the_end_of_a_decay_is_no_deviation() -> None:
    # The last rate of a cosine over a million steps is 1e-12 of the base: the order of an addition moves it.
    schedule, planned = schedule_of("cosine"), 10**6
    due = 0.3 * schedule(fraction_of(planned - 1, planned))
    assert deviation(schedule, [(planned - 1, due + 0.3e-16)], planned, 0.3) < 1e-6
