"""How much each parameter mattered: fANOVA (Hutter, Hoos and Leyton-Brown 2014) by Optuna, with error bars."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

from trainwright.randomness import derive
from trainwright.records.findings import Scalar
from trainwright.records.space import Axis
from trainwright.records.study import Importance, StudyInfo, Trial
from trainwright.search.samplers import quiet

FEWEST = 16
"""Configurations below which a forest says nothing of the kind."""
RESAMPLES, TREES = 10, 24
WORST = 0.9
"""Quantile of the scores at which they are cut off, failures with them: importance is asked for where one would train,
and a few losses of a thousand would be all that the variance consists of.
"""


def importance(study: StudyInfo) -> tuple[Importance, ...]:
    """Return the share of each parameter in the variance of the score, from most to least; () from too few trials.

    All configurations count, those outside the present space too, each by its score at the first rung, the one moment
    at which all were judged, the mean over its repeats. Shares are means over resampled configurations, `deviation`
    their standard deviation. A parameter that applies to some configurations alone is left out.
    """
    repeats: dict[int, list[Trial]] = {}
    for trial in study.trials:
        if trial.status not in ("running", "stopped"):
            repeats.setdefault(trial.configuration, []).append(trial)
    trials = [each[0] for each in repeats.values()]
    axes = _axes(study, trials)
    scores = _cut([statistics.fmean(map(_first_score, each)) for each in repeats.values()])
    if len(trials) < FEWEST or not axes or max(scores, default=0.0) <= min(scores, default=0.0):
        return ()
    shares: dict[str, list[float]] = {name: [] for name in axes}
    for resample in range(RESAMPLES):
        seed = derive(study.plan.seed, "importance", resample) % 2**32
        chosen = np.random.default_rng(seed).integers(len(trials), size=len(trials)).tolist()
        found = _evaluate(axes, [trials[place] for place in chosen], [scores[place] for place in chosen], seed)
        for name, share in found.items():
            shares[name].append(share)
    made = [
        Importance(name=name, share=statistics.fmean(each), deviation=statistics.stdev(each))
        for name, each in shares.items()
        if len(each) > 1
    ]
    return tuple(sorted(made, key=lambda one: -one.share))


def _axes(study: StudyInfo, trials: Sequence[Trial]) -> dict[str, Axis]:
    """Return the axes that all trials have, as they were in the last round that had them."""
    known = {name: axis for one in study.rounds for name, axis in one.space.items()}
    return {name: axis for name, axis in known.items() if all(name in trial.values for trial in trials)}


def _first_score(trial: Trial) -> float:
    return trial.scores[0] if trial.scores and trial.status != "failed" else math.inf


def _cut(scores: Sequence[float]) -> list[float]:
    finite = sorted(score for score in scores if math.isfinite(score))
    worst = finite[min(int(WORST * len(finite)), len(finite) - 1)] if finite else 0.0
    return [min(score, worst) for score in scores]


def _evaluate(axes: dict[str, Axis], trials: Sequence[Trial], scores: Sequence[float], seed: int) -> dict[str, float]:
    columns = {name: [_place(axis, trial.values[name]) for trial in trials] for name, axis in axes.items()}
    distributions: dict[str, BaseDistribution] = {}
    for name, column in columns.items():
        if axes[name].scale == "choice":
            distributions[name] = CategoricalDistribution(tuple(dict.fromkeys(column)))
        elif min(map(float, column)) < max(map(float, column)):
            distributions[name] = FloatDistribution(min(map(float, column)), max(map(float, column)))
    if min(scores) == max(scores) or not distributions:
        return {}
    with quiet():
        made = optuna.create_study()
        for place, score in enumerate(scores):
            values = {name: columns[name][place] for name in distributions}
            made.add_trial(optuna.create_trial(params=values, distributions=distributions, value=score))
        return FanovaImportanceEvaluator(n_trees=TREES, seed=seed).evaluate(made)


def _place(axis: Axis, value: Scalar) -> Scalar:
    return value if axis.scale == "choice" else axis.unit(value)
