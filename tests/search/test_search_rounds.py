"""From coarse to fine: bowls with the optimum inside, at, and beyond each end, with and without noise."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from search_arenas import Formula, bowl, drawn

from trainwright.doctor.search import edges, judge
from trainwright.records import Axis, Plan, StudyInfo, Trial, from_plain, to_plain
from trainwright.search.course import search
from trainwright.search.rounds import HALF_A_DECADE, NARROWEST, move, moved
from trainwright.search.samplers import points
from trainwright.search.space import checked, choice, integers, log_uniform, uniform

PAIR = checked({"lr": log_uniform(1e-4, 1e-1), "decay": log_uniform(1e-6, 1e-2)})


def trials(
    space: Mapping[str, Axis], score: Callable[[Mapping[str, Any]], float], count: int = 18, seed: int = 0
) -> list[Trial]:
    made = []
    for number, values in enumerate(points("sobol", space, range(count), total=count, seed=seed)):
        known = score(values)
        facts: dict[str, Any] = {"status": "finished", "score": known} if math.isfinite(known) else {"status": "failed"}
        made.append(
            Trial(number=number, configuration=number, round=0, chunk=0, values=values, seed=0, rung=1, **facts)
        )
    return made


def found(optimum: float, *, rounds: int, seed: int, noise: float = 0.0) -> StudyInfo:
    arena = Formula(bowl(PAIR, {"lr": optimum, "decay": drawn(seed, "decay", low=0.2, high=0.8)}), noise=noise)
    return search(arena, Plan(budget=1, trials=18 * rounds, rounds=rounds, eta=1, seed=seed), PAIR)


@pytest.mark.parametrize("optimum", [-0.6, 1.6], ids=["below", "above"])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_an_optimum_two_decades_beyond_the_range_is_reached(optimum: float, noise: float) -> None:
    reached = 0
    for seed in range(10):
        study = found(optimum, rounds=5, seed=seed, noise=noise)
        assert study.best is not None
        reached += abs(PAIR["lr"].unit(study.best.values["lr"]) - optimum) < 0.15
        assert any(one.action == "widened" and one.name == "lr" for one in study.moves)
    assert reached >= 9


def test_the_box_shrinks_around_an_optimum_inside_and_keeps_it() -> None:
    kept, ratio = [], []
    for seed in range(20):
        optimum = drawn(seed, "inside", low=0.2, high=0.8)
        study = found(optimum, rounds=4, seed=seed, noise=0.01)
        axis, value = study.rounds[-1].space["lr"], float(PAIR["lr"].value(optimum))
        kept.append(axis.low <= value <= axis.high)
        ratio.append(math.log10(axis.high / axis.low))
    assert sum(kept) >= 18
    assert statistics.median(ratio) < 1.5


def test_ends_are_widened_when_something_lies_beyond_and_left_when_not() -> None:
    """The experiment behind the thresholds: the rates of alarms after one round of 12, 18 or 27 points."""
    alarms: dict[str, list[bool]] = {"beyond": [], "inside": [], "no matter": []}
    for seed in range(120):
        noise, count = (0.0, 0.05, 0.2)[seed % 3], (12, 18, 27)[seed // 3 % 3]
        other = drawn(seed, "other", low=0.2, high=0.8)
        for place, optimum in {
            "beyond": drawn(seed, "beyond", low=1.15, high=1.6),
            "inside": drawn(seed, "inside", low=0.2, high=0.8),
            "no matter": None,
        }.items():
            true = bowl(PAIR, {"decay": other} if optimum is None else {"decay": other, "lr": optimum})

            def score(values: Mapping[str, Any], true: Any = true, noise: float = noise, seed: int = seed) -> float:
                return true(values) + noise * 2 * (drawn(seed, str(values["lr"])) - 0.5)

            moves = move(PAIR, trials(PAIR, score, count, seed), number=0, first=PAIR)
            alarms[place].append(moves[0].action == "widened")
    rates = {place: sum(each) / len(each) for place, each in alarms.items()}
    assert rates["beyond"] >= 0.9
    assert rates["inside"] <= 0.1
    assert rates["no matter"] <= 0.08


ONE = checked({"lr": log_uniform(1e-4, 1e-2)})
MONOTONE: dict[str, Callable[[float], float]] = {
    "linear": lambda unit: -unit,
    "steepening": lambda unit: -math.exp(3 * unit),
    "flat at first": lambda unit: -1 / (1 + math.exp(-6 * (unit - 1.5))),
}


@pytest.mark.parametrize("shape", MONOTONE)
@pytest.mark.parametrize(("count", "rounds"), [(9, 1), (16, 2), (27, 3)])
def test_a_score_that_falls_toward_an_end_is_widened_or_told(shape: str, count: int, rounds: int) -> None:
    """Eight seeds at both ends: the best stands at the end of all that was tried, however the box has moved."""
    told, widened = 0, 0
    for seed in range(8):
        for side in (1, -1):
            arena = Formula(
                lambda values, side=side: MONOTONE[shape](0.5 + side * (ONE["lr"].unit(values["lr"]) - 0.5))
            )
            study = search(arena, Plan(budget=1, trials=count, rounds=rounds, eta=1, seed=seed), ONE)
            told += "TW608" in [finding.code for finding in judge(study)]
            widened += any(one.action == "widened" for one in study.moves)
            for one in study.moves:  # nothing that was not tried beyond the best is cut off
                end = "high" if side > 0 else "low"
                assert getattr(one.after, end) == getattr(one.before, end) or one.action == "widened"
    assert told >= 15
    assert widened >= (15 if rounds > 1 else 0)


def test_optima_inside_are_not_told_as_edges_of_one_axis_either() -> None:
    alarms = 0
    for seed in range(60):
        arena = Formula(bowl(ONE, {"lr": drawn(seed, "one", low=0.2, high=0.8)}), noise=(0.0, 0.02, 0.05)[seed % 3])
        rounds = 1 + seed % 3
        alarms += bool(judge(search(arena, Plan(budget=1, trials=9 * rounds, rounds=rounds, eta=1, seed=seed), ONE)))
    assert alarms <= 1


def test_ties_move_nothing_though_some_were_pruned() -> None:
    study = search(Formula(lambda values: 1.0), Plan(budget=9, trials=36, rounds=3, seed=1), PAIR)
    assert {trial.status for trial in study.trials} == {"finished", "pruned"}
    assert {(one.action, one.reason) for one in study.moves} == {("kept", "all scores are equal")}
    assert edges(study) == ()


def test_who_ties_with_the_last_of_the_good_ones_counts_as_good() -> None:
    """Half of the values are as good as can be: which of them came first says nothing about where to look."""
    given = trials(ONE, lambda values: float(ONE["lr"].unit(values["lr"]) > 0.5), 16)
    (one,) = move(ONE, given, number=0, first=ONE)
    assert one.after.low == ONE["lr"].low
    assert ONE["lr"].unit(one.after.high) > 0.45


def test_a_round_that_more_trials_added_says_why_it_is_where_it_is(tmp_path: Path) -> None:
    arena = Formula(bowl(ONE, {"lr": 0.5}))
    search(arena, Plan(budget=1, trials=9, rounds=1, eta=1), ONE, folder=tmp_path)
    study = search(arena, Plan(budget=1, trials=18, rounds=1, eta=1), ONE, folder=tmp_path)
    assert len(study.rounds) == 2
    assert [(one.action, one.reason[:21]) for one in study.moves] == [("kept", "more trials were aske")]


def test_a_hard_limit_is_never_passed_and_is_no_edge() -> None:
    space = checked({"dropout": uniform(0.0, 0.5), "lr": log_uniform(1e-3, 1e-1, limits=(1e-4, 1.0))})
    study = search(
        Formula(bowl(space, {"dropout": -0.3, "lr": 2.5})), Plan(budget=1, trials=90, rounds=5, eta=1), space
    )
    for one in study.rounds:
        assert one.space["dropout"].low >= 0
        assert one.space["lr"].high <= 1
    assert study.rounds[-1].space["lr"].high == 1
    assert ("lr", True) in [(edge.name, edge.is_limit) for edge in edges(study)]
    assert judge(study) == ()


def test_a_linear_range_widens_by_its_width_and_zooms_to_a_floor() -> None:
    space = checked({"x": uniform(1.0, 2.0)})
    (wider,) = move(space, trials(space, bowl(space, {"x": 1.5})), number=0, first=space)
    assert (wider.action, wider.after.high) == ("widened", 3.0)
    box = space
    for number in range(9):
        box = moved(box, move(box, trials(box, bowl(space, {"x": 0.5}), seed=number), number=number, first=space))
    assert box["x"].high - box["x"].low == pytest.approx(NARROWEST, rel=0.1)
    assert box["x"].low < 1.5 < box["x"].high


def test_a_logarithmic_range_zooms_to_half_a_decade() -> None:
    space = checked({"lr": log_uniform(1e-5, 1.0)})
    box = space
    for number in range(9):
        box = moved(box, move(box, trials(box, bowl(space, {"lr": 0.5}), seed=number), number=number, first=space))
    assert box["lr"].high / box["lr"].low == pytest.approx(HALF_A_DECADE, rel=0.05)


def test_whole_numbers_keep_three_values_and_double_widths_twice() -> None:
    space = checked({"depth": integers(1, 9), "width": integers(16, 128, log=True)})
    score = bowl(space, {"depth": 0.5, "width": 1.5})
    box = space
    for number in range(6):
        box = moved(box, move(box, trials(box, score, 27, number), number=number, first=space))
        assert isinstance(box["depth"].low, int)
        if number == 0:
            assert box["width"].high == 512
    assert box["depth"].high - box["depth"].low >= 2
    assert box["depth"].low <= 5 <= box["depth"].high


def test_a_choice_is_dropped_when_all_its_trials_are_in_the_worse_half() -> None:
    space = checked({"optimizer": choice("sgd", "adamw"), "lr": log_uniform(1e-4, 1e-1)})
    worse = trials(space, lambda v: (v["optimizer"] == "sgd") + abs(math.log10(v["lr"] / 1e-3)) / 10, 32)
    alike = trials(space, lambda v: abs(math.log10(v["lr"] / 1e-3)), 32)
    assert move(space, worse, number=0, first=space)[0].after.choices == ("adamw",)
    assert move(space, alike, number=0, first=space)[0].action == "kept"


def test_a_few_trials_and_equal_scores_move_nothing() -> None:
    for given in (trials(PAIR, lambda v: v["lr"], 6), trials(PAIR, lambda v: 1.0), trials(PAIR, lambda v: math.nan)):
        assert {one.action for one in move(PAIR, given, number=0, first=PAIR)} == {"kept"}


def test_old_trials_inside_the_new_box_count_for_the_next_move() -> None:
    box = {**PAIR, "lr": log_uniform(1e-3, 1e-2)}
    old = trials(PAIR, bowl(PAIR, {"lr": 0.5}), 60)
    assert move(box, old, number=1, first=PAIR)[0].action != "kept"


def test_every_move_says_what_it_was_why_and_survives_the_record() -> None:
    study = found(1.4, rounds=3, seed=0)
    assert len(study.moves) == 4
    assert all(one.reason and one.before != one.after for one in study.moves if one.action != "kept")
    assert from_plain(StudyInfo, to_plain(study)) == study


def test_the_best_value_at_an_end_is_a_finding_when_nobody_widened() -> None:
    (finding,) = judge(found(1.4, rounds=1, seed=1))
    assert (finding.code, finding.kind) == ("TW608", "best-value-at-edge")
    assert finding.evidence[0].threshold == 0.1
    assert finding.remedies[0].text == "search lr from 0.0001 to 1"


def test_healthy_searches_and_widened_ones_have_no_finding() -> None:
    healthy = [judge(found(drawn(s, "in", low=0.2, high=0.8), rounds=1 + s % 3, seed=s, noise=0.02)) for s in range(60)]
    assert sum(map(bool, healthy)) <= 1
    widened = [judge(found(1.2, rounds=4, seed=seed)) for seed in range(10)]
    assert sum(map(bool, widened)) == 0


def test_all_trials_failing_is_one_finding_that_counts_them() -> None:
    study = search(Formula(lambda values: math.nan), Plan(budget=9, trials=12, rounds=2, seed=1), PAIR)
    assert study.status == "finished"
    assert {trial.status for trial in study.trials} == {"failed"}
    assert study.best is None
    (finding,) = judge(study)
    assert (finding.kind, finding.evidence[0].value) == ("all-trials-failed", 12)


def test_a_rate_on_a_linear_scale_is_noted_and_other_names_are_not() -> None:
    space = {"optimizer.lr": uniform(0, 0.1), "decay": uniform(0.01, 0.05), "model.dropout": uniform(0, 0.5)}
    study = search(Formula(lambda values: 1.0), Plan(budget=1, trials=4, rounds=1), space)
    (finding,) = judge(dataclasses.replace(study))
    assert finding.kind == "rate-searched-linearly"
    assert finding.remedies[0].text == "search optimizer.lr by log_uniform(1e-05, 0.1)"


def test_a_zoom_quotes_the_values_that_were_tried_and_not_the_new_ends() -> None:
    space = checked({"lr": log_uniform(1e-4, 1.0)})
    rates = [0.0221, 0.2231, 1.2e-4, 5e-4, 1e-3, 3e-3, 6e-3, 0.5, 0.9]
    told = [
        Trial(number=place, configuration=place, round=0, chunk=0, values={"lr": rate}, seed=0, status="finished",
              score=1.0 + place, rung=1)
        for place, rate in enumerate(rates)
    ]  # fmt: skip
    (one,) = move(space, told, number=0, first=space)
    assert one.action == "zoomed"
    assert "the best 2 of 9 lie from 0.0221 to 0.223" in one.reason
    assert one.after.low < 0.0221
    assert one.after.high > 0.2231


@pytest.mark.parametrize(("low", "high", "after"), [(1e-9, 1e-7, (1e-5, 1.0)), (1e-6, 1e-4, (1e-4, 1.0)),
                                                    (10.0, 1e3, (1e-5, 1.0))])  # fmt: skip
def test_a_rate_where_rates_never_are_is_moved_only_where_nothing_is_better_than_guessing(
    low: float, high: float, after: tuple[float, float]
) -> None:
    space = checked({"optimizer.lr": log_uniform(low, high), "decay": log_uniform(1e-9, 1e-7)})
    told = trials(space, lambda values: math.nan if values["decay"] > 5e-8 else 2.3 + values["decay"])
    rate, decay = move(space, told, number=0, first=space, guess=2.3)
    assert (rate.action, rate.after.low, rate.after.high) == ("moved", *after)
    assert "none of 18 trials is better than guessing, 2.3" in rate.reason
    assert decay.action != "moved"
    for guess in (None, 3.0):
        assert all(one.action != "moved" for one in move(space, told, number=0, first=space, guess=guess))
    near = checked({"optimizer.lr": log_uniform(1e-5, 1e-1)})
    lost = trials(near, lambda values: 2.3 + values["optimizer.lr"])
    assert move(near, lost, number=0, first=near, guess=2.3)[0].action != "moved"


def test_a_move_keeps_to_the_hard_limits() -> None:
    space = {"lr": dataclasses.replace(log_uniform(1e-9, 1e-7), highest=1e-3)}
    (one,) = move(space, trials(space, lambda values: 2.3), number=0, first=space, guess=2.3)
    assert (one.action, one.after.high) == ("moved", 1e-3)
