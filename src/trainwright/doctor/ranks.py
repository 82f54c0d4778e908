"""Rules on several processes that train one model: what was compared bit by bit, and what was timed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from trainwright.doctor.kinds_ranks import REPLICAS_DIVERGE, SAME_DATA_ON_EVERY_RANK, SLOW_RANK, UNEVEN_SHARDS
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Event, Evidence, Finding, Remedy

SLOWER = 2.0
"""Times the median of the other ranks from which a rank is slow: half of the others' time is spent on waiting then."""
OFTEN = 0.8
"""Share of steps in which it must have been the last: a machine that is busy now and then is none."""
LEAST_SECONDS = 1e-3
"""Of a step's own work: below it, a clock and a scheduler decide who is last."""
UNEVEN = 1.1
"""Samples of the rank with most, over those of the rank with fewest, from which shards are uneven."""


def replicas_diverge(chart: Chart) -> Finding | None:
    """Exact: sums over the bits of all weights after the same update."""
    seen = _first(chart, "ranks-differ")
    if seen is None:
        return None
    ranks = _numbers(seen, "ranks")
    return REPLICAS_DIVERGE.finding(
        step=seen.step,
        where=chart.info.where("model.name"),
        evidence=(
            Evidence(name="ranks whose weights are not those of rank 0", value=_said(ranks), threshold="none"),
            Evidence(name="compared after step", value=seen.step),
        ),
        remedies=(Remedy(text="call the wrapped model, and change weights on all ranks alike"),),
    )


def same_data(chart: Chart) -> Finding | None:
    """Exact: sums over the bits of inputs."""
    seen = _first(chart, "ranks-alike")
    if seen is None:
        return None
    return SAME_DATA_ON_EVERY_RANK.finding(
        step=seen.step,
        where=chart.info.where("data.source"),
        evidence=(
            Evidence(name="batches in a row that were the same", value=_number(seen, "batches"), threshold="5"),
            Evidence(name="on ranks", value=_said(_numbers(seen, "ranks"))),
        ),
        remedies=(Remedy(text="give the loader a DistributedSampler, and call its set_epoch in each epoch"),),
    )


def slow_rank(chart: Chart) -> Finding | None:
    """Statistical: medians of the ranks' own times over a window of steps, in the newest window that was seen."""
    seen = next((event for event in reversed(chart.events) if event.name == "ranks-times"), None)
    if seen is None:
        return None
    seconds, slowest = _numbers(seen, "seconds"), int(_number(seen, "slowest"))
    others = [each for rank, each in enumerate(seconds) if rank != slowest]
    if not others:
        return None
    usual, own, often = statistics.median(others), seconds[slowest], _number(seen, "share")
    if own < max(SLOWER * usual, LEAST_SECONDS) or often < OFTEN:
        return None
    return SLOW_RANK.finding(
        step=seen.step,
        evidence=(
            Evidence(name=f"own time of rank {slowest} in a step", value=own, threshold=SLOWER * usual, unit="s"),
            Evidence(name="median of the other ranks", value=usual, unit="s"),
            Evidence(name="share of steps in which it was the last", value=often, threshold=OFTEN),
        ),
        remedies=(Remedy(text=f"look at what else the machine of rank {slowest} does, and at what its samples are"),),
    )


def uneven_shards(chart: Chart) -> Finding | None:
    """Exact: the samples of the same steps, counted."""
    seen = _first(chart, "ranks-rows")
    rows = [] if seen is None else _numbers(seen, "rows")
    if seen is None or not rows or max(rows) < UNEVEN * min(rows):
        return None
    most, fewest = rows.index(max(rows)), rows.index(min(rows))
    return UNEVEN_SHARDS.finding(
        step=seen.step,
        evidence=(
            Evidence(name=f"samples on rank {most}", value=rows[most], threshold=UNEVEN * rows[fewest]),
            Evidence(name=f"samples on rank {fewest}", value=rows[fewest]),
        ),
        remedies=(Remedy(text="divide the samples evenly, or weigh each rank's loss by its samples"),),
    )


def _first(chart: Chart, name: str) -> Event | None:
    return next((event for event in chart.events if event.name == name), None)


def _numbers(event: Event, name: str) -> list[float]:
    found = event.detail.get(name)
    return [float(each) for each in found] if isinstance(found, list | tuple) else []


def _number(event: Event, name: str) -> float:
    found = event.detail.get(name)
    return float(found) if isinstance(found, int | float) else 0.0


def _said(ranks: Sequence[float]) -> str:
    return ", ".join(f"{rank:g}" for rank in ranks)


RULES = (
    Rule(kind=REPLICAS_DIVERGE, needs=("ranks",), judge=replicas_diverge),
    Rule(kind=SAME_DATA_ON_EVERY_RANK, needs=("ranks",), judge=same_data),
    Rule(kind=SLOW_RANK, needs=("ranks",), judge=slow_rank),
    Rule(kind=UNEVEN_SHARDS, needs=("ranks",), judge=uneven_shards),
)
