"""Which recorded curve a run looks like, and a real search played again."""

from __future__ import annotations

import itertools
import math
import statistics
from pathlib import Path

import pytest
from lab_runs import plain
from lab_server import plant

from trainwright.errors import RunError
from trainwright.lab.gallery import records
from trainwright.lab.nearest import nearest_of
from trainwright.lab.registry import simulate
from trainwright.lab.replay import expected_best
from trainwright.lab.resemblance import FURTHEST, Shape, distance, shape_of
from trainwright.records import Plan, Trial
from trainwright.records.study import Round, StudyInfo
from trainwright.search.space import log_uniform, uniform

RECORDS = records()


def shaped(name: str) -> Shape:
    each = RECORDS[name]
    shape = shape_of(each.steps, each.losses, each.evaluated, each.validation, each.constant)
    assert shape is not None
    return shape


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_nearest_to_itself_however_its_loss_and_its_steps_are_counted(name: str) -> None:
    each = RECORDS[name]
    guess = each.constant or each.losses[0]
    scaled = shape_of(
        [2 * step + 7 for step in each.steps],
        [3 * loss for loss in each.losses],
        [2 * step + 7 for step in each.evaluated],
        [3 * loss for loss in each.validation],
        3 * guess,
    )
    assert scaled is not None
    assert distance(scaled, shaped(name)) == pytest.approx(0.0, abs=1e-6)
    assert all(distance(scaled, shaped(other)) > 0.01 for other in RECORDS if other != name)


def test_a_distance_is_counted_in_doublings() -> None:
    steps, losses = list(range(64)), [1.0] * 64
    one = shape_of(steps, losses, [], [], 1.0)
    two = shape_of(steps, losses, [], [], 2.0)
    assert one is not None
    assert two is not None
    assert distance(one, two) == pytest.approx(1.0)
    assert distance(one, one) == 0.0


def test_what_is_no_number_counts_as_very_high_and_a_run_of_few_steps_has_no_shape() -> None:
    shape = shape_of(range(10), [1.0] * 5 + [math.nan, math.inf, math.nan, math.inf, math.nan], [], [], 1.0)
    assert shape is not None
    assert shape.train.max() == FURTHEST
    assert shape_of(range(3), [1.0] * 3, [], [], 1.0) is None
    assert shape_of(range(10), [math.nan] * 10, [], [], None) is None


def test_a_planted_run_that_falls_smoothly_is_named_good(tmp_path: Path) -> None:
    plant(tmp_path / "smooth", [2.3 * max(math.exp(-step / 12), 0.01) for step in range(150)])
    told = nearest_of(str(tmp_path / "smooth"))
    assert told["nearest"][0]["name"] == "good"
    assert told["alike"]
    assert len(told["curves"][0]["train"]) == len(told["moments"])
    plant(tmp_path / "short", [1.0, 0.5])
    with pytest.raises(RunError, match="no shape yet"):
        nearest_of(str(tmp_path / "short"))


def test_the_mean_best_over_all_orders_is_that_of_all_orders() -> None:
    scores = [3.0, 1.0, 4.0, 1.5, 5.0]
    orders = list(itertools.permutations(scores))
    means = [statistics.fmean(min(order[:drawn]) for order in orders) for drawn in range(1, 6)]
    assert expected_best(scores) == pytest.approx(means)


def searched(count: int) -> StudyInfo:
    """Return a search of two rounds whose best trial is the last but one."""
    space = {"optimizer.lr": log_uniform(1e-5, 1e-1), "model.dropout": uniform(0.0, 0.5)}
    narrow = {**space, "optimizer.lr": log_uniform(1e-3, 1e-2)}
    trials = tuple(
        Trial(
            number=place,
            configuration=place,
            round=place // max(count // 2, 1),
            chunk=0,
            values={"optimizer.lr": 10 ** -(1 + place % 4), "model.dropout": place / (2 * count)},
            seed=0,
            status="failed" if place == 1 else "finished",
            score=None if place == 1 else math.nan if place == 2 else abs(place - count + 2) + 0.5,
        )
        for place in range(count)
    )
    rounds = [
        Round(number=k, space=each, sampler="sobol", first=0, chunks=()) for k, each in enumerate((space, narrow))
    ]
    return StudyInfo(plan=Plan(budget=10), rounds=tuple(rounds), trials=trials, status="finished")


def test_a_real_search_is_played_trial_by_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.lab.replay.read_study", lambda folder: searched(10))
    result = simulate("grid-vs-random", {"study": "/some/where/coarse"})
    assert result.frames == result["trials with a score"] == 8
    assert result["trials that failed"] == 1
    assert (result["best score"], result["trial of the best score"]) == (0.5, 7)
    assert "coarse: 8 trials in 2 rounds" in result.verdict.text
    so_far, every_order = result.plots[-1].series
    assert so_far.y[-1] == every_order.y[-1] == 0.5
    assert result.plots[0].spans[0].text.startswith("range of the last round")
    assert all(series.played for plot in result.plots for series in plot.series[:1])
    plain(result)


def test_a_search_that_has_hardly_begun_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.lab.replay.read_study", lambda folder: searched(4))
    with pytest.raises(RunError, match="nothing to play yet"):
        simulate("grid-vs-random", {"study": "coarse"})
