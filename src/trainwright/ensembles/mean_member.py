"""The mean over the members: what one training comes to on average, and how far trainings differ by their seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import torch

from trainwright.ensembles.methods import only
from trainwright.ensembles.out_of_fold import tried
from trainwright.ensembles.pool import Pool
from trainwright.records.ensemble import Cost, MethodRow, Scores

MEAN_MEMBER = "mean member"


def mean_member(pool: Pool, members: Sequence[int], *, calibrate: bool, folds: torch.Tensor) -> MethodRow:
    """Return the row of the mean over the members, each judged like a method of its own; its note says their spread."""
    each = [tried(pool, only("", place), calibrate=calibrate, folds=folds) for place in members]
    costs = [one.cost for one in each]
    steps = [cost.training_steps for cost in costs if cost.training_steps is not None]
    cooled = [one.cooled for one in each if one.cooled is not None]
    return MethodRow(
        method=MEAN_MEMBER,
        cost=Cost(
            networks=1,
            training_steps=round(sum(steps) / len(steps)) if steps else None,
            seconds=sum(cost.seconds for cost in costs) / len(costs),
            size=round(sum(cost.size for cost in costs) / len(costs)),
        ),
        scores=_mean_of(pool, [one.scores for one in each]),
        scaled=_mean_of(pool, cooled) if len(cooled) == len(each) else None,
        note=_spread([one.compared for one in each]),
    )


def over_mean(scores: Scores, rows: Sequence[MethodRow]) -> str:
    """Return what an average has over the mean member, as words; "" where there is none among `rows`."""
    mean = next((row.compared for row in rows if row.method == MEAN_MEMBER), None)
    if mean is None:
        return ""
    told = []
    if scores.accuracy is not None and mean.accuracy is not None:
        told.append(f"{100 * (scores.accuracy - mean.accuracy):+.2f} % accuracy")
    for name, one, other in (("NLL", scores.nll, mean.nll), ("RMSE", scores.rmse, mean.rmse)):
        if one is not None and other is not None and other > 0 and (name == "RMSE") == (scores.accuracy is None):
            told.append(f"{100 * (one / other - 1):+.1f} % {name}")
    return f"over the mean member: {', '.join(told)}" if told else ""


def _spread(each: Sequence[Scores]) -> str:
    """Return how far the members are apart, which is what another seed may change, as words."""
    told = []
    for name, values, factor in (
        ("accuracy", [one.accuracy for one in each], 100.0),
        ("NLL", [one.nll for one in each if one.accuracy is not None], 1.0),
        ("RMSE", [one.rmse for one in each], 1.0),
    ):
        known = [factor * value for value in values if value is not None]
        if len(known) > 1:
            unit = " %" if name == "accuracy" else ""
            told.append(f"{name} {statistics.fmean(known):.4g} ± {statistics.stdev(known):.2g}{unit}")
    return f"over {len(each)} members, mean and standard deviation: {', '.join(told)}" if told else ""


def _mean_of(pool: Pool, each: Sequence[Scores]) -> Scores:
    return Scores(
        samples=pool.truth.samples,
        accuracy=_mean([one.accuracy for one in each]),
        nll=_mean([one.nll for one in each]),
        ece=_mean([one.ece for one in each]),
        brier=_mean([one.brier for one in each]),
        rmse=_mean([one.rmse for one in each]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
