"""Studies to draw: one by the true search on a formula with noise and a wall, others made by hand."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trainwright.randomness import derive
from trainwright.records import Axis, Edge, Importance, Plan, Round, StudyInfo, Trial
from trainwright.records.study_final import FinalRun
from trainwright.search.arena import State
from trainwright.search.course import search
from trainwright.search.space import checked, choice, integers, log_uniform, uniform

SPACE = checked(
    {
        "optimizer.lr": log_uniform(1e-4, 1e-1),
        "optimizer.weight_decay": log_uniform(1e-6, 1e-2),
        "model.dropout": uniform(0.0, 0.6),
        "model.width": integers(16, 256, log=True),
        "optimizer.name": choice("sgd", "adamw", "rmsprop"),
        "optimizer.momentum": uniform(0.5, 0.99, when=("optimizer.name", "sgd")),
    }
)
FINAL = FinalRun(
    values={"optimizer.lr": 0.21, "model.dropout": 0.2},
    seeds=(11, 12, 13, 14),
    steps=900,
    search_score=0.31,
    fresh_scores=(0.33, 0.34, 0.32, 0.345),
    default_scores=(0.41, 0.43, 0.405, 0.42),
    test_scores=(0.35, 0.35, 0.34, 0.36),
)


IMPORTANCE = (
    Importance(name="optimizer.lr", share=0.85, deviation=0.2),
    Importance(name="model.width", share=0.03, deviation=0.04),
    Importance(name="model.dropout", share=0.02, deviation=0.02),
)
EDGES = (Edge(name="optimizer.lr", side="high", value=0.97, axis=SPACE["optimizer.lr"], is_limit=False),)


class Arena:
    """A loss that falls with the steps; its best rate lies beyond the range, and rates far beyond that diverge."""

    def __init__(self) -> None:
        self.trials: dict[int, Trial] = {}

    def start(self, trials: Sequence[Trial]) -> None:
        self.trials |= {trial.number: trial for trial in trials}

    def advance(self, numbers: Sequence[int], steps: int) -> Mapping[int, float]:
        return {number: self._score(self.trials[number], steps) for number in numbers}

    def _score(self, trial: Trial, steps: int) -> float:
        values: Mapping[str, Any] = trial.values
        rate = math.log10(values["optimizer.lr"]) + 0.5 * (values["optimizer.name"] == "adamw")
        if rate > -0.3:
            return math.nan
        bowl = 0.30 * (rate + 0.8) ** 2 + 0.6 * (values["model.dropout"] - 0.2) ** 2
        bowl += 0.02 * (math.log2(values["model.width"]) - 7) ** 2
        bowl += 0.3 * (values.get("optimizer.momentum", 0.9) - 0.9) ** 2
        noise = 1 + 0.03 * (derive(trial.seed, trial.number, steps) / 2**62 - 1)
        return (0.3 + bowl) * noise + 20 / (steps + 20)

    def why(self, number: int) -> str:
        return ""

    def drop(self, numbers: Collection[int]) -> None:
        for number in numbers:
            self.trials.pop(number, None)

    def state(self) -> State:
        return State()

    def restore(self, trials: Sequence[Trial], state: State) -> None:
        self.start(trials)


@functools.cache
def searched(trials: int = 54) -> StudyInfo:
    """Return a study of three rounds, from coarse to fine with halving."""
    return search(Arena(), Plan(budget=900, trials=trials, rounds=3, chunk=18, seed=3), SPACE)


def hostile(trials: int = 60) -> StudyInfo:
    """Return a study by hand: names and values that would break a page or a terminal, and every odd kind of axis."""
    name = '</title><script>alert(1)</script>"&\x1b[31m'
    space = {
        name: Axis(scale="log", low=1e-9, high=1e9),
        "a.very.long.name.of.a.parameter.that.nobody.would.choose.but.somebody.does": Axis(scale="linear", high=1e-12),
        "many": Axis(scale="choice", choices=tuple(f"choice number {place}" for place in range(24))),
        "switch": Axis(scale="choice", choices=(True, False)),
        "point": Axis(scale="linear", low=3.0, high=3.0),
        "few": Axis(scale="linear", low=1, high=3, whole=True),
        "宽度": Axis(scale="log", low=100_000, high=4_000_000, whole=True),
    }
    made = []
    for number in range(trials):
        units = [(0.5 + number * step) % 1 for step in (0.618, 0.414, 0.732, 0.236, 0.1, 0.3, 0.777)]
        values = {key: axis.value(unit) for (key, axis), unit in zip(space.items(), units, strict=True)}
        score = (1e300, -3.0, 0.0)[number] if number < 3 else number * 0.1
        failed = number % 7 == 5
        made.append(
            Trial(
                number=number,
                configuration=number,
                round=0,
                chunk=number // 20,
                values=values,
                seed=1,
                status="failed" if failed else "running" if number == trials - 1 else "finished",
                rung=0 if failed else 1,
                score=None if failed or number == trials - 1 else score,
                budgets=() if failed or number == trials - 1 else (10,),
                scores=() if failed or number == trials - 1 else (score,),
                steps=10,
                reason="<b>out\nof\x07memory</b>" if failed else "",
            )
        )
    plan = Plan(sampler="<i>", budget=10, trials=trials)
    one = Round(sampler="sobol", number=0, space=space, first=0, chunks=(20,) * (trials // 20))
    return StudyInfo(plan=plan, rounds=(one,), trials=tuple(made), reason="<u>", notes=("<img src=x>",))


def many(trials: int, parameters: int) -> StudyInfo:
    """Return a finished study of many trials on many axes, in one round."""
    space = {f"group.parameter_{place}": Axis(scale="log", low=1e-5, high=1.0) for place in range(parameters)}
    made = []
    for number in range(trials):
        units = {name: derive(1, number, name) / 2**63 for name in space}
        score = sum((unit - 0.4) ** 2 for unit in units.values())
        values = {name: axis.value(units[name]) for name, axis in space.items()}
        made.append(
            Trial(
                number=number, configuration=number, round=0, chunk=0, values=values, seed=1, status="finished", rung=1
            )
        )
        made[-1] = replace(made[-1], score=score, budgets=(5,), scores=(score,), steps=5)
    one = Round(sampler="sobol", number=0, space=space, first=0, chunks=(trials,))
    return StudyInfo(plan=Plan(budget=5, trials=trials), rounds=(one,), trials=tuple(made), status="finished")
