from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.training.stopping import Best


@given(scores=st.lists(st.floats(allow_nan=True), max_size=30), direction=st.sampled_from(["min", "max"]))
def test_the_best_is_the_extreme_of_all_scores_and_never_nan(
    scores: list[float], direction: Literal["min", "max"]
) -> None:
    best = Best(direction=direction)
    for step, score in enumerate(scores):
        best = best.update(score, step)
    known = [score for score in scores if not math.isnan(score)]
    assert best.score == ((min if direction == "min" else max)(known) if known else None)
    assert best.step == (scores.index(best.score) if best.score is not None else None)
    since = len(scores) if best.step is None else len(scores) - 1 - best.step
    assert best.evaluations_since == since


def test_a_tie_is_no_improvement() -> None:
    best = Best(direction="min").update(1.0, 10).update(1.0, 20)
    assert (best.step, best.evaluations_since) == (10, 1)


def test_the_direction_is_asked_for() -> None:
    with pytest.raises(TypeError, match="direction"):
        Best()  # pyright: ignore[reportCallIssue]


def test_patience_counts_evaluations_in_a_row() -> None:
    best = Best(direction="min").update(1.0, 0)
    for step, score in enumerate([2.0, math.nan, 0.9, 1.0, 1.0], start=1):
        best = best.update(score, 100 * step)
        assert best.exhausted(2) == (step in (2, 5))
        assert not best.exhausted(None)


def test_an_update_leaves_the_earlier_value_alone() -> None:
    first = Best(direction="max").update(0.5, 1)
    first.update(0.7, 2)
    assert (first.score, first.step, first.evaluations_since) == (0.5, 1, 0)
