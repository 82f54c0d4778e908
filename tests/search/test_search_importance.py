"""Importance: what matters comes first, what does not gets nearly nothing, and the error bars say how sure that is."""

from __future__ import annotations

import math

from search_arenas import Formula, bowl

from trainwright.records import Plan, StudyInfo
from trainwright.search.course import search
from trainwright.search.importance import FEWEST, importance
from trainwright.search.space import checked, choice, log_uniform, uniform

SPACE = checked({"idle": uniform(0, 1), "lr": log_uniform(1e-4, 1e-1), "optimizer": choice("sgd", "adamw")})


def studied(trials: int = 54, wall: float = math.inf, rounds: int = 2) -> StudyInfo:
    base = bowl(SPACE, {"lr": 0.5}, wall=wall)
    arena = Formula(lambda values: base(values) + 0.2 * (values["optimizer"] == "sgd"), noise=0.02)
    return search(arena, Plan(budget=9, trials=trials, rounds=rounds, sampler="random"), SPACE)


def test_the_parameter_that_matters_comes_first_and_the_idle_one_last() -> None:
    found = importance(studied())
    assert [one.name for one in found] == ["lr", "optimizer", "idle"]
    assert found[-1].share < 0.15
    assert sum(one.share for one in found) <= 1 + 1e-9
    assert all(one.deviation > 0 for one in found)
    assert found[0].share - 2 * found[0].deviation > found[-1].share


def test_failures_count_and_do_not_drown_the_rest() -> None:
    found = importance(studied(wall=0.3, rounds=1))
    assert found[0].name == "lr"


def test_the_same_study_has_the_same_importances() -> None:
    assert importance(studied(27)) == importance(studied(27))


def test_too_few_trials_and_equal_scores_have_none() -> None:
    assert importance(studied(FEWEST - 1, rounds=1)) == ()
    assert importance(search(Formula(lambda values: 1.0), Plan(budget=9, trials=27, rounds=1), SPACE)) == ()
    assert importance(search(Formula(lambda values: math.nan), Plan(budget=9, trials=27, rounds=1), SPACE)) == ()


def test_repeats_under_other_seeds_are_no_further_configurations() -> None:
    arena = Formula(bowl(SPACE, {"lr": 0.5}), noise=0.02)
    few = search(arena, Plan(budget=9, trials=FEWEST - 1, rounds=1, repeats=2, sampler="random"), SPACE)
    assert len(few.trials) > FEWEST
    assert importance(few) == ()
    many = search(arena, Plan(budget=9, trials=27, rounds=1, repeats=2, sampler="random"), SPACE)
    assert importance(many)[0].name == "lr"
