"""Samplers: what they try does not depend on how they are asked, and the published facts about them hold."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import optuna
import pytest
import torch

from trainwright.errors import UsageError
from trainwright.records.space import Space, is_inside
from trainwright.records.study import Trial
from trainwright.search.samplers import grid, points, size
from trainwright.search.space import checked, choice, integers, log_uniform, uniform

SPACE = checked(
    {
        "lr": log_uniform(1e-5, 1e-1),
        "optimizer": choice("sgd", "adamw"),
        "momentum": uniform(0, 0.9, when=("optimizer", "sgd")),
        "width": integers(4, 64, log=True),
    }
)
SQUARE = checked({"x": uniform(0, 1), "y": uniform(0, 1)})
FIXED = pytest.mark.parametrize("sampler", ["grid", "random", "sobol"])


def told(space: Space, count: int, score: Callable[[Mapping[str, Any]], float], seed: int = 0) -> list[Trial]:
    """Return finished trials at Sobol points."""
    return [
        Trial(number=n, configuration=n, round=0, chunk=0, values=v, seed=0, status="finished", score=score(v), rung=1)
        for n, v in enumerate(points("sobol", space, range(count), total=count, seed=seed))
    ]


@FIXED
def test_a_point_is_a_function_of_the_seed_and_its_place_alone(sampler: str) -> None:
    whole = points(sampler, SPACE, range(24), total=24, seed=5)
    pieces = [points(sampler, SPACE, range(start, start + 5), total=24, seed=5) for start in (15, 0, 10, 5)]
    assert [whole[15:20], whole[0:5], whole[10:15], whole[5:10]] == pieces
    assert points(sampler, SPACE, range(24), total=24, seed=6) != whole
    assert all(is_inside(values, SPACE) for values in whole)


@pytest.mark.parametrize("sampler", ["random", "sobol", "tpe"])
def test_asking_leaves_the_global_generators_alone(sampler: str) -> None:
    before = torch.get_rng_state()
    points(sampler, SPACE, range(3), total=9, seed=5, told=told(SPACE, 12, lambda v: v["lr"]))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_grid_has_its_ends_every_choice_and_no_point_twice() -> None:
    cells = grid(SPACE, 40)
    assert 30 <= len(cells) <= 40
    assert len({tuple(cell.items()) for cell in cells}) == len(cells) == size("grid", SPACE, 40)
    assert {cell["optimizer"] for cell in cells} == {"sgd", "adamw"}
    assert {1e-5, 1e-1} <= {cell["lr"] for cell in cells}
    assert {4, 64} <= {cell["width"] for cell in cells}
    assert len(grid({"n": integers(1, 3), "o": choice("a", "b")}, 100)) == 6


def test_a_grid_that_is_not_finished_is_spread_over_the_space() -> None:
    some = points("grid", SQUARE, range(12), total=36, seed=0)
    assert len({point["x"] for point in some}) > 3


def test_fifty_nine_random_draws_find_the_best_twentieth_with_odds_of_95_in_100() -> None:
    assert 1 - 0.95**58 < 0.95 <= 1 - 0.95**59
    studies, hits = 300, 0
    for seed in range(studies):
        drawn = points("random", {"x": uniform(0, 1)}, range(59), total=59, seed=seed)
        hits += any(float(point["x"]) <= 0.05 for point in drawn)
    deviation = math.sqrt(0.95 * 0.05 / studies)
    assert abs(hits / studies - (1 - 0.95**59)) < 3 * deviation


def nearest(sampler: str, weights: tuple[float, float], seed: int) -> float:
    """Return the least value of a bowl at a place drawn by `seed`, over 25 points."""
    centre = torch.rand(2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()
    drawn = points(sampler, SQUARE, range(25), total=25, seed=seed)
    return min(
        sum(w * (float(p[name]) - c) ** 2 for w, name, c in zip(weights, "xy", centre, strict=True)) for p in drawn
    )


def test_random_beats_the_grid_where_one_knob_dominates_and_not_where_both_count() -> None:
    """Bergstra and Bengio 2012: 25 random points look at 25 values of the knob that matters, a grid at 5."""
    dominant = {s: statistics.median(nearest(s, (1, 0), seed) for seed in range(100)) for s in ("grid", "random")}
    equal = {s: statistics.median(nearest(s, (1, 1), seed) for seed in range(100)) for s in ("grid", "random")}
    assert dominant["random"] < dominant["grid"] / 4
    assert equal["random"] > equal["grid"] / 2


def test_sobol_points_leave_smaller_gaps_than_random_ones() -> None:
    def gap(sampler: str, seed: int) -> float:
        drawn = sorted(float(p["x"]) for p in points(sampler, SQUARE, range(32), total=32, seed=seed))
        return max(b - a for a, b in zip([0.0, *drawn], [*drawn, 1.0], strict=True))

    assert max(gap("sobol", seed) for seed in range(20)) <= 2 / 32 + 1e-6
    assert statistics.median(gap("random", seed) for seed in range(20)) > 3 / 32


def test_the_model_proposes_where_it_was_told_that_scores_are_good_and_the_same_again() -> None:
    trials = told(SPACE, 40, lambda v: abs(math.log10(v["lr"] / 1e-3)) + (v["optimizer"] == "sgd"))
    first = points("tpe", SPACE, range(40, 48), total=60, seed=1, told=trials)
    assert first == points("tpe", SPACE, range(40, 48), total=60, seed=1, told=trials)
    assert all(is_inside(values, SPACE) for values in first)
    near = [v for v in first if v["optimizer"] == "adamw" and abs(math.log10(float(v["lr"]) / 1e-3)) < 1]
    assert len(near) >= 4


def test_the_model_lives_with_failures_with_what_was_pruned_and_with_what_lies_outside() -> None:
    trials = told(SPACE, 20, lambda v: v["lr"])
    lost = [Trial(**{**vars(t), "status": "failed", "score": None}) for t in trials[:10]]
    cut = [Trial(**{**vars(t), "status": "pruned", "budgets": (3,), "scores": (t.score,)}) for t in trials[10:15]]
    wide = told(checked({**SPACE, "lr": log_uniform(1, 10)}), 5, lambda v: v["lr"])
    drawn = points("tpe", SPACE, range(4), total=9, seed=0, told=[*lost, *cut, *trials[15:], *wide])
    assert all(is_inside(values, SPACE) for values in drawn)


def test_any_sampler_of_optuna_can_be_given() -> None:
    drawn = points(optuna.samplers.RandomSampler(seed=1), SPACE, range(6), total=6, seed=0)
    assert all(is_inside(values, SPACE) for values in drawn)


def test_a_sampler_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'random'"):
        points("randon", SPACE, range(3), total=3, seed=0)
