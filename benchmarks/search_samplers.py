"""Trials needed to come within 1 % of the best: grid, random, TPE, coarse to fine, and halving.

Synthetic scores in two to four parameters on logarithmic axes, with noise, a wall behind which training would diverge,
parameters that matter less and less, and (in half of them) an optimum beyond the range that is searched first. A trial
counts when its score without noise is within 1 % of the least there is. The unit is the cost of a whole trial; halving
pays a fraction for those that it drops. Within one array all trials are proposed at once, for every sampler.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch

from trainwright.randomness import derive, generator
from trainwright.records.space import Axis
from trainwright.records.study import Plan, StudyInfo, Trial
from trainwright.search.arena import State
from trainwright.search.course import search
from trainwright.search.space import log_uniform

BUDGET, ARRAY, TRIALS = 27, 18, 162
WITHIN = 1.01
WEIGHTS = (3.0, 1.0, 0.3, 0.1)
NOISE, EARLY, WALL = 0.005, 0.2, 0.35
METHODS: Mapping[str, Mapping[str, Any]] = {
    "grid": {"sampler": "grid", "rounds": 1, "eta": 1},
    "random": {"sampler": "random", "rounds": 1, "eta": 1},
    "Sobol": {"sampler": "sobol", "rounds": 1, "eta": 1},
    "TPE": {"sampler": "tpe", "rounds": 1, "eta": 1},
    "coarse to fine": {"sampler": "sobol", "rounds": 12, "eta": 1},
    "coarse to fine, TPE": {"sampler": "tpe", "rounds": 12, "eta": 1},
    "halving": {"sampler": "random", "rounds": 1, "eta": 3, "trials": 3 * TRIALS},
    "coarse to fine, halving": {"sampler": "sobol", "rounds": 12, "eta": 3, "trials": 3 * TRIALS},
}


class Scores:
    """An arena of a formula: what is left of the noise after n steps falls as 1 / sqrt(n)."""

    def __init__(self, true: Callable[[Mapping[str, Any]], float]) -> None:
        self.true = true
        self.trials: dict[int, Trial] = {}

    def start(self, trials: Sequence[Trial]) -> None:
        """Begin."""
        self.trials |= {trial.number: trial for trial in trials}

    def advance(self, numbers: Sequence[int], steps: int) -> Mapping[int, float]:
        """Score."""
        return {number: self._score(self.trials[number], steps) for number in numbers}

    def _score(self, trial: Trial, steps: int) -> float:
        drawn = torch.randn(2, generator=generator(trial.seed, "noise", trial.number, steps)).tolist()
        unfinished = EARLY * (math.sqrt(BUDGET / steps) - 1) * drawn[1]
        return self.true(trial.values) + NOISE * drawn[0] + 0.3 * unfinished

    def why(self, number: int) -> str:
        """Nothing fails here."""
        return ""

    def drop(self, numbers: Collection[int]) -> None:
        """Forget."""

    def state(self) -> State:
        """Return nothing: nothing is kept."""
        return State()

    def restore(self, trials: Sequence[Trial], state: State) -> None:
        """Begin."""
        self.start(trials)


def task(dimensions: int, seed: int) -> tuple[dict[str, Axis], Callable[[Mapping[str, Any]], float]]:
    """Return a space and a score. Axes span three decades; every other seed has its first optimum beyond the range."""
    names = [f"p{place}" for place in range(dimensions)]
    space = {name: log_uniform(1e-4, 1e-1) for name in names}
    where = {name: 0.15 + 0.7 * derive(seed, "optimum", name) / 2**63 for name in names}
    if seed % 2:
        where["p0"] = 1.0 + 0.5 * derive(seed, "beyond") / 2**63

    def true(values: Mapping[str, Any]) -> float:
        units = {name: space[name].unit(values[name]) - where[name] for name in names}
        if units["p0"] > WALL:
            return math.nan
        return 1.0 + sum(weight * units[name] ** 2 for weight, name in zip(WEIGHTS, names, strict=False))

    return space, true


def needed(study: StudyInfo, true: Callable[[Mapping[str, Any]], float]) -> float:
    """Return the cost, in whole trials, until a finished trial came within 1 % of the best; inf where none did."""
    spent, best = 0.0, math.inf
    for trial in study.trials:
        spent += trial.steps / BUDGET
        if trial.status == "finished":
            best = min(best, true(trial.values))
        if best <= WITHIN:
            return spent
    return math.inf


def measure(method: Mapping[str, Any], dimensions: int, seeds: int) -> list[float]:
    """Return what each seed needed."""
    found = []
    for seed in range(seeds):
        space, true = task(dimensions, seed)
        given: dict[str, Any] = dict(method)
        given.setdefault("trials", TRIALS)
        plan = Plan(budget=BUDGET, chunk=ARRAY, steps=TRIALS * BUDGET, seed=seed, **given)
        found.append(needed(search(Scores(true), plan, space), true))
    return found


def _cell(found: Sequence[float]) -> str:
    middle = statistics.median(found)
    return f"{f'{middle:.0f}' if math.isfinite(middle) else '-':>5} ({sum(map(math.isfinite, found))}/{len(found)})"


def main() -> int:
    """Print one line for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[2, 3, 4])
    given = parser.parse_args()
    print(f"whole trials to come within 1 % of the best: median over {given.seeds} seeds (found in so many), up to")
    print(f"{TRIALS}; first where the optimum lies in the range that was given, then where it lies beyond")
    print(" " * 26 + "".join(f"{f'{count} parameters':>30}" for count in given.dimensions))
    for name, method in METHODS.items():
        cells = []
        for dimensions in given.dimensions:
            found = measure(method, dimensions, given.seeds)
            cells.append(f"{_cell(found[::2])},{_cell(found[1::2])}")
        print(f"{name:26}" + "".join(f"{cell:>30}" for cell in cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
