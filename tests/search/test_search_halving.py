"""Halving: exact ranks among rows at the same step, medians over repeats, failures last."""

from __future__ import annotations

import math

import pytest

from trainwright.errors import UsageError
from trainwright.records import Plan, Trial
from trainwright.search.halving import check_plan, cost, ladder, stops, survivors


def trials(count: int, repeats: int = 1) -> list[Trial]:
    return [
        Trial(number=n, configuration=n // repeats, round=0, chunk=0, values={}, seed=0) for n in range(count * repeats)
    ]


def test_the_rungs_of_27_rows_cost_a_ninth_of_the_whole() -> None:
    plan = Plan(budget=27, least=1)
    assert ladder(plan) == (1, 3, 9, 27)
    assert cost(plan, 27) == 27 + 9 * 2 + 3 * 6 + 18 == 81 == 27 * 27 // 9


def test_by_default_a_trial_is_judged_at_a_ninth_and_at_a_third() -> None:
    assert ladder(Plan(budget=900)) == (100, 300, 900)
    assert ladder(Plan(budget=2)) == (2,)
    assert ladder(Plan(budget=900, eta=1)) == (900,)


def test_moments_to_save_lie_between_the_rungs() -> None:
    plan = Plan(budget=90, save_every=25)
    found = [(stop.steps, stop.rung) for stop in stops(plan)]
    assert found == [(10, 0), (25, None), (30, 1), (50, None), (75, None), (90, 2)]


def test_the_best_third_goes_on_and_at_least_one() -> None:
    scores = {number: float((number * 7) % 10) for number in range(10)}
    assert survivors(trials(10), scores, eta=3) == {0, 3, 6}
    assert survivors(trials(2), {0: 2.0, 1: 1.0}, eta=3) == {1}
    assert survivors(trials(4), dict.fromkeys(range(4), 1.0), eta=2) == {0, 1}


def test_a_failure_ranks_last_and_never_goes_on() -> None:
    assert survivors(trials(3), {0: math.nan, 1: 5.0, 2: -math.inf}, eta=1) == {1}
    assert survivors(trials(3), {1: 1.0}, eta=1) == {1}
    assert survivors(trials(3), dict.fromkeys(range(3), math.inf), eta=3) == set()


def test_a_configuration_counts_as_the_median_of_its_repeats() -> None:
    scores = {0: 0.0, 1: 9.0, 2: 9.0, 3: 2.0, 4: 2.0, 5: 99.0, 6: math.nan, 7: math.nan, 8: 0.0}
    assert survivors(trials(3, repeats=3), scores, eta=3) == {3, 4, 5}
    assert survivors(trials(3, repeats=3), scores | {3: math.nan}, eta=1) == {0, 1, 2, 4, 5}


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(budget=10, least=20), "too small for one trial"),
        (Plan(budget=10, steps=9), "too small for one trial"),
        (Plan(budget=10, trials=0), "trials = 0"),
        (Plan(budget=0), "budget = 0"),
        (Plan(budget=10, chunk=0), "chunk = 0"),
    ],
)
def test_a_plan_without_room_for_one_trial_is_refused(plan: Plan, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_plan(plan)
