"""Successive halving (Jamieson and Talwalkar 2016), by exact ranking: all rows of an array stand at the same step.

Asynchronous rules exist because workers straggle; rows in lock step cannot.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainwright.errors import UsageError
from trainwright.records.study import Plan, Trial

RUNGS = 2
"""Rungs below the full budget, where the plan does not say: at a ninth and a third of it, by an eta of 3. Earlier, the
order of the trials says little of how they end: slow rates look worse than they are.
"""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A moment at which all living trials of a chunk stand at `steps` and are scored; `rung` None only saves."""

    steps: int
    rung: int | None


def ladder(plan: Plan) -> tuple[int, ...]:
    """Return the steps of each rung, rising by `eta` from at least `least` to `budget`; eta 1 has one rung."""
    rungs = [plan.budget]
    while plan.eta > 1 and rungs[-1] // plan.eta >= least(plan):
        rungs.append(rungs[-1] // plan.eta)
    return tuple(reversed(rungs))


def least(plan: Plan) -> int:
    """Return the steps before the first rung: the plan's, or two rungs below the budget."""
    return plan.least if plan.least is not None else max(plan.budget // plan.eta**RUNGS, 1)


def stops(plan: Plan) -> tuple[Stop, ...]:
    """Return the rungs, and between them the moments to save at, every `save_every` steps."""
    rungs = {steps: rung for rung, steps in enumerate(ladder(plan))}
    between = range(plan.save_every, plan.budget, plan.save_every) if plan.save_every else ()
    return tuple(Stop(steps=steps, rung=rungs.get(steps)) for steps in sorted({*rungs, *between}))


def cost(plan: Plan, configurations: int) -> int:
    """Return the steps that a chunk of so many configurations takes at most, over all its trials."""
    total, before, living = 0, 0, configurations
    for steps in ladder(plan):
        total += living * plan.repeats * (steps - before)
        before, living = steps, max(living // max(plan.eta, 1), 1)
    return total


def survivors(trials: Sequence[Trial], scores: Mapping[int, float], *, eta: int) -> set[int]:
    """Return the numbers of the trials that go on: the best `1 / eta` of the configurations, one at least.

    A configuration counts as the median of its repeats; those whose median is no finite number never go on, and those
    repeats that failed do not either.
    """
    repeats: dict[int, list[float]] = {}
    for trial in trials:
        score = scores.get(trial.number, math.nan)
        repeats.setdefault(trial.configuration, []).append(score if math.isfinite(score) else math.inf)
    medians = {number: statistics.median(each) for number, each in repeats.items()}
    order = sorted((number for number in medians if math.isfinite(medians[number])), key=lambda n: (medians[n], n))
    kept = set(order[: max(len(medians) // eta, 1)])
    return {t.number for t in trials if t.configuration in kept and math.isfinite(scores.get(t.number, math.nan))}


def check_plan(plan: Plan) -> None:
    """Raise `UsageError` where the bounds leave no room for one trial."""
    for name in ("trials", "rounds", "chunk", "repeats", "budget", "least", "eta", "save_every", "steps"):
        value = getattr(plan, name)
        if value is not None and value < 1:
            raise UsageError(f"the search has {name} = {getattr(plan, name)}", remedy=f"give {name} = 1 or more")
    if least(plan) > plan.budget:
        raise UsageError(
            "the budget is too small for one trial",
            evidence=f"{plan.budget} steps a trial, {least(plan)} before the first is judged",
            remedy=f"give each trial {least(plan)} steps or more, or judge earlier",
        )
    if plan.steps is not None and plan.steps < cost(plan, 1):
        raise UsageError(
            "the budget is too small for one trial",
            evidence=f"{plan.steps} steps in all; one trial takes {cost(plan, 1)}",
            remedy=f"allow {cost(plan, 1)} steps in all or more, or fewer steps a trial",
        )
