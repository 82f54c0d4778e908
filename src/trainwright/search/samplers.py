"""Where to look next.

Grid, random and Sobol points are functions of (seed, place in the round) alone, so that neither the number of workers
nor a restart changes what is tried; Optuna's own draw from a stream that starts anew with the process. Model-based
sampling is Optuna's, by ask and tell: TPE, or any of its samplers that is given as an object. It is told the trials in
unit coordinates of the present box, so that a box that moves is no change of its space.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import optuna
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from torch.quasirandom import SobolEngine

from trainwright.errors import UsageError, did_you_mean
from trainwright.randomness import derive, generator
from trainwright.records.findings import Scalar
from trainwright.records.space import Axis, Space, is_inside
from trainwright.records.space_grid import grid_levels
from trainwright.records.study import Trial
from trainwright.search.space import configuration, in_order

SAMPLERS = ("grid", "random", "sobol", "tpe")
STARTUP = 10
"""Trials inside the box before a model of the scores is trusted (Optuna's default); until then, Sobol points."""

Sampler = str | BaseSampler


def check_sampler(sampler: Sampler) -> None:
    """Raise `UsageError` for a name that no sampler has, and for what is neither a name nor a sampler of Optuna's."""
    if not isinstance(sampler, str | BaseSampler):
        raise UsageError(
            "the sampler must be a name, or one of Optuna's samplers",
            evidence=f"it is a {type(sampler).__name__}",
            remedy=f"use one of {', '.join(SAMPLERS)}, or pass an object such as optuna.samplers.TPESampler(seed=0)",
        )
    if isinstance(sampler, str) and sampler not in SAMPLERS:
        raise UsageError(f"there is no sampler '{sampler}'", remedy=did_you_mean(sampler, SAMPLERS))


def is_adaptive(sampler: Sampler) -> bool:
    """Return whether what it proposes depends on the scores so far."""
    return not isinstance(sampler, str) or sampler == "tpe"


def size(sampler: Sampler, space: Space, count: int) -> int:
    """Return how many of `count` points the sampler has: a grid may be smaller."""
    return min(count, len(grid(space, count))) if sampler == "grid" else count


def points(
    sampler: Sampler, space: Space, places: range, *, total: int, seed: int, told: Sequence[Trial] = ()
) -> list[dict[str, Scalar]]:
    """Return the configurations at `places` of a round of `total`; `told` are all trials so far, from any space."""
    check_sampler(sampler)
    if sampler == "grid":
        cells = grid(space, total)
        order = torch.randperm(len(cells), generator=generator(seed, "grid")).tolist()
        return [cells[order[place]] for place in places]
    if sampler == "random":
        return [_random(space, seed, place) for place in places]
    inside = [trial for trial in told if is_inside(trial.values, space)]
    if sampler == "sobol" or (sampler == "tpe" and len(inside) < STARTUP):
        return _sobol(space, places, seed)
    if isinstance(sampler, str):
        with quiet():
            sampler = TPESampler(seed=derive(seed, "tpe", places.start) % 2**32, multivariate=True, group=True)
    return _asked(sampler, space, len(places), inside)


def grid(space: Space, count: int) -> list[dict[str, Scalar]]:
    """Return the finest grid of at most `count` points with about as many levels on each axis, ends included.

    Every choice has all its values, even where that alone makes more points than `count`.
    """
    levels = grid_levels(space, count)
    units = [_units(axis, levels[name]) for name, axis in space.items()]
    cells = (configuration(space, dict(zip(space, cell, strict=True))) for cell in itertools.product(*units))
    return list({tuple(cell.items()): cell for cell in cells}.values())  # axes that do not apply make cells alike


def _units(axis: Axis, levels: int) -> list[float]:
    if axis.scale == "choice" or levels == 1:
        return [(place + 0.5) / levels for place in range(levels)]
    return [place / (levels - 1) for place in range(levels)]


def _random(space: Space, seed: int, place: int) -> dict[str, Scalar]:
    units = torch.rand(len(space), dtype=torch.float64, generator=generator(seed, "random", place)).tolist()
    return configuration(space, dict(zip(space, units, strict=True)))


def _sobol(space: Space, places: range, seed: int) -> list[dict[str, Scalar]]:
    engine = SobolEngine(len(space), scramble=True, seed=derive(seed, "sobol"))
    drawn = engine.draw(places.stop, dtype=torch.float64)[places.start :].tolist()
    return [configuration(space, dict(zip(space, units, strict=True))) for units in drawn]


def _asked(sampler: BaseSampler, space: Space, count: int, told: Sequence[Trial]) -> list[dict[str, Scalar]]:
    with quiet():
        study = optuna.create_study(sampler=sampler)
        for trial in told:
            study.add_trial(_as_optuna(trial, space))
        asked = []
        for _ in range(count):
            trial, values = study.ask(), dict[str, Scalar]()
            for name in in_order(space):
                axis = space[name]
                if axis.when and values.get(axis.when) not in axis.when_in:
                    continue
                if axis.scale == "choice":
                    values[name] = cast(Scalar, trial.suggest_categorical(name, axis.choices))
                else:
                    values[name] = axis.value(trial.suggest_float(name, 0.0, 1.0))
            asked.append({name: values[name] for name in space if name in values})
    return asked


def _as_optuna(trial: Trial, space: Space) -> FrozenTrial:
    distributions: dict[str, BaseDistribution] = {}
    units: dict[str, Any] = {}
    for name, value in trial.values.items():
        axis = space[name]
        is_choice = axis.scale == "choice"
        distributions[name] = CategoricalDistribution(axis.choices) if is_choice else FloatDistribution(0.0, 1.0)
        units[name] = value if is_choice else min(max(axis.unit(value), 0.0), 1.0)
    facts: dict[str, Any] = {"params": units, "distributions": distributions}
    if trial.status == "running":
        return create_trial(state=TrialState.RUNNING, **facts)
    if trial.status == "pruned" and trial.score is not None:
        # TPE ranks those that came further first, and compares scores at the same step.
        steps = dict(zip(trial.budgets, trial.scores, strict=True))
        return create_trial(state=TrialState.PRUNED, intermediate_values=steps, **facts)
    failed = trial.status == "failed" or trial.score is None
    return create_trial(value=math.inf if failed else trial.score, **facts)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's announcements (of studies, which are ours and in memory; of options that are new) to itself."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
