"""The plateau schedule: what evaluations do to the rate, and that its state is all in one value."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.parts.schedules import CATALOGUE, Plateau
from trainwright.records import from_plain, to_plain

SCORES = st.lists(st.floats(0.01, 10) | st.sampled_from([1.0, 1.00005, 0.99995, 0.5]), max_size=60)


def start(**options: Any) -> Plateau:
    plateau = CATALOGUE["plateau"].factory(**({"threshold": 0.0, "floor": 0.0} | options)).plateau
    assert plateau is not None
    return plateau


def after(plateau: Plateau, scores: list[float], direction: Literal["min", "max"] = "min") -> list[float]:
    multiples = []
    for score in scores:
        plateau = plateau.update(score, direction)
        multiples.append(plateau.multiple)
    return multiples


def test_the_rate_drops_tenfold_after_patience_evaluations_without_improvement() -> None:
    # G2, chapter 4: "if your loss plateaus but hasn't converged, try reducing the learning rate by a factor of 10"
    scores = [3.0, 2.0, 2.0, 2.5, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    wanted = [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001]
    assert after(start(patience=3), scores) == pytest.approx(wanted)


def test_the_default_waits_for_five_evaluations() -> None:
    schedule = CATALOGUE["plateau"].factory()
    assert after(schedule.plateau, [1.0] * 6) == pytest.approx([1, 1, 1, 1, 1, 0.1])


def test_a_score_that_improves_too_little_does_not_count() -> None:
    falling = [1.0 - 1e-4 * number for number in range(7)]
    assert after(start(patience=3, threshold=0.01), falling)[-1] == pytest.approx(0.01)
    assert after(start(patience=3, threshold=1e-5), falling)[-1] == 1.0


@pytest.mark.parametrize("direction", ["min", "max"])
def test_negative_scores_are_held_to_the_same_threshold(direction: Literal["min", "max"]) -> None:
    better, worse = (-1.005, -0.995) if direction == "min" else (-0.995, -1.005)
    plateau = start(threshold=0.01).update(-1.0, direction)
    assert not plateau.improves(-1.0, direction)
    assert not plateau.improves(better, direction)
    assert not plateau.improves(worse, direction)
    assert plateau.improves(-1.02 if direction == "min" else -0.98, direction)


def test_an_accuracy_that_rises_is_an_improvement_and_a_loss_that_rises_is_none() -> None:
    rising = [0.1, 0.2, 0.3, 0.4]
    assert after(start(patience=2), rising, "max")[-1] == 1.0
    assert after(start(patience=2), rising, "min")[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_improvement_and_never_the_best(strange: float) -> None:
    plateau = start(patience=3).update(strange)
    assert plateau.best is None
    assert plateau.evaluations_since == 1
    plateau = plateau.update(2.0)
    assert (plateau.best, plateau.evaluations_since) == (2.0, 0)
    assert after(plateau, [strange, strange, strange, 1.0]) == pytest.approx([1, 1, 0.1, 0.1])


def test_evaluations_in_the_cooldown_do_not_count() -> None:
    flat = [1.0] * 9
    assert after(start(patience=2, cooldown=0), flat) == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4])
    assert after(start(patience=2, cooldown=2), flat) == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])


def test_the_rate_is_not_lowered_below_the_floor() -> None:
    assert after(start(patience=1, floor=0.05), [1.0] * 4) == pytest.approx([1, 0.1, 0.05, 0.05])


def test_an_update_leaves_the_value_before_it_as_it_was() -> None:
    plateau = start(patience=1)
    plateau.update(1.0).update(1.0)
    assert plateau == start(patience=1)


@settings(deadline=None)
@given(scores=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40), cut=st.integers(0, 40))
def test_a_state_that_was_saved_goes_on_as_if_nothing_had_happened(scores: list[float], cut: int) -> None:
    plateau = start(patience=2, cooldown=1)
    for score in scores[:cut]:
        plateau = plateau.update(score)
    restored = from_plain(Plateau, json.loads(json.dumps(to_plain(plateau))))
    assert restored == plateau
    assert after(restored, scores[cut:]) == after(plateau, scores[cut:])


@settings(deadline=None)
@given(scores=SCORES, factor=st.floats(0.1, 0.9), floor=st.floats(0, 1, exclude_max=True))
def test_the_multiple_only_falls_and_stays_between_its_floor_and_the_full_rate(
    scores: list[float], factor: float, floor: float
) -> None:
    multiples = [1.0, *after(start(factor=factor, floor=floor, patience=2), scores)]
    assert multiples == sorted(multiples, reverse=True)
    assert min(multiples) >= floor


@settings(deadline=None)
@given(
    scores=SCORES,
    direction=st.sampled_from(["min", "max"]),
    patience=st.integers(1, 5),
    cooldown=st.integers(0, 3),
    threshold=st.sampled_from([0.0, 1e-4, 0.1]),
    floor=st.sampled_from([0.0, 1e-3]),
)
def test_torchs_reduce_on_plateau_sets_the_same_rate_after_every_evaluation(
    scores: list[float],
    direction: Literal["min", "max"],
    patience: int,
    cooldown: int,
    threshold: float,
    floor: float,
) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    twin = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode=direction,
        factor=0.5,
        patience=patience - 1,  # torch lowers at the first evaluation beyond its patience
        threshold=threshold,
        cooldown=cooldown,
        min_lr=floor,
        eps=0.0,
    )
    wanted = []
    for score in scores:
        twin.step(score)
        wanted.append(optimizer.param_groups[0]["lr"])
    plateau = start(factor=0.5, patience=patience, cooldown=cooldown, threshold=threshold, floor=floor)
    assert after(plateau, scores, direction) == pytest.approx(wanted, rel=1e-12)
