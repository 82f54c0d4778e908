"""What is wrong with a search, from its records alone. Source: G2, chapter 4.

The thresholds were measured on bowls in one to three dimensions on logarithmic axes, with 12 to 27 Sobol points, with
and without noise and a wall where training would diverge (`tests/search/test_search_rounds.py` keeps the experiment).
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from trainwright.doctor.kinds_search import ALL_TRIALS_FAILED, BEST_VALUE_AT_EDGE, RATE_SEARCHED_LINEARLY
from trainwright.records.findings import Evidence, Finding, Remedy, Scalar
from trainwright.records.space import Axis, Space
from trainwright.records.study import Edge, Side, StudyInfo, all_alike, merged, ranked

TOP = 0.25
"""Share of the trials that counts as good."""
FEWEST = 8
"""Trials on an axis before anything is said of its ends: the good ones are two then."""
EDGE = 0.1
"""The best value is at an end where it lies in so much of the range (on its scale)."""
ONE_SIDED = 2.0
"""Standard deviations by which the good values must lean to that end, were they spread evenly: 1 in 44 does."""
HALF = 0.5
"""Share of the trials, the better ones, of which the order is looked at: around an optimum inside they lie on both
sides of it, before an end that cuts the optimum off they come closer to the end the better they are."""
GAPS = 2.0
"""Mean gaps between values within which the last of them stands before an end."""
RATES = ("lr", "rate", "learning_rate", "weight_decay", "decay", "wd", "l2", "eps")
"""Last part of the names whose order of magnitude is what matters."""
DECADE = 10.0


def judge(study: StudyInfo) -> tuple[Finding, ...]:
    """Return what can be said of a study, finished or not."""
    found = [_all_failed(study), _at_edge(study), *(_linear(study.rounds[0].space) if study.rounds else ())]
    return tuple(finding for finding in found if finding is not None)


def leaning(axis: Axis, values: Sequence[Scalar], *, edge: float = EDGE, deviations: float = ONE_SIDED) -> Side | None:
    """Return the end of an axis that the best values hug, None where they do not. `values` go from best to worst.

    One of two things must hold. The best of all lies within `edge` of that end, and the mean of the best quarter is
    further to its side than `deviations` deviations of the mean of as many values spread evenly. Or the best
    is the last before the end, and the better half lies closer to the end the better it is, by as many deviations of
    Kendall's rank correlation (1938) between values in no order.
    """
    if axis.scale == "choice" or len(values) < FEWEST or axis.high <= axis.low:
        return None
    ends = replace(axis, whole=False)  # the first of a few whole numbers is an end, not the middle of a bin
    units = [ends.unit(value) for value in values]
    top = units[: max(round(TOP * len(units)), 2)]
    levels = axis.high - axis.low + 1
    spread = (levels + 1) / (12 * (levels - 1)) if axis.whole and axis.scale == "linear" else 1 / 12
    lean = deviations * math.sqrt(spread / len(top))
    better, near = units[: math.ceil(HALF * len(units))], max(edge, GAPS / (len(units) + 1))
    both: tuple[tuple[Side, int, list[float]], ...] = (("low", 1, units), ("high", -1, [1 - unit for unit in units]))
    for side, sign, places in both:
        if places[0] <= edge and sign * (0.5 - statistics.fmean(top)) > lean:
            return side
        if places[0] <= near and places[0] == min(places) and sign * _trend(better) >= deviations:
            return side
    return None


def _trend(values: Sequence[float]) -> float:
    """Return by how many standard deviations the pairs in rising order outnumber those in falling order, by Kendall."""
    count = len(values)
    pairs = [(values[later] > one) - (values[later] < one) for place, one in enumerate(values)
             for later in range(place + 1, count)]  # fmt: skip
    return sum(pairs) / math.sqrt(count * (count - 1) * (2 * count + 5) / 18)


def edges(study: StudyInfo) -> tuple[Edge, ...]:
    """Return the ends of the ranges that the best values hug, in the last round's box, and in all rounds' together.

    An end that an earlier round has looked beyond is none.
    """
    scored = [trial for trial in ranked(merged(study.trials)) if trial.status != "failed" and trial.score is not None]
    if len(scored) < 2 or all_alike(scored):
        return ()  # where nothing makes a difference, the best is whoever came first
    found = []
    for name in dict.fromkeys(name for one in study.rounds for name in one.space):
        axes = [one.space[name] for one in study.rounds if name in one.space and one.space[name].scale != "choice"]
        values = [trial.values[name] for trial in scored if name in trial.values]
        if not axes or not values:
            continue
        whole = replace(axes[-1], low=min(axis.low for axis in axes), high=max(axis.high for axis in axes))
        last = axes[-1] if axes[-1].holds(values[0]) else whole
        side = leaning(last, [value for value in values if last.holds(value)])
        if side is not None and (last.low <= whole.low if side == "low" else last.high >= whole.high):
            is_limit = last.low <= last.lowest if side == "low" else last.high >= last.highest
            found.append(Edge(name=name, side=side, value=values[0], axis=whole, is_limit=is_limit))
    return tuple(found)


def _at_edge(study: StudyInfo) -> Finding | None:
    open_ends = [edge for edge in edges(study) if not edge.is_limit]
    if not open_ends:
        return None
    evidence, remedies = [], []
    for edge in open_ends:
        end = edge.axis.low if edge.side == "low" else edge.axis.high
        evidence.append(Evidence(name=f"best {edge.name}", value=edge.value, threshold=end))
        low, high = beyond(edge.axis, edge.side)
        remedies.append(Remedy(text=f"search {edge.name} from {low:g} to {high:g}"))
    return BEST_VALUE_AT_EDGE.finding(evidence=tuple(evidence), remedies=tuple(remedies))


def beyond(axis: Axis, side: Side) -> tuple[float, float]:
    """Return the range of `axis` made wider on one side, within its limits: by a decade, or by its own width.

    Whole numbers on a logarithmic scale (widths, depths) are widened fourfold: a decade more units would cost a hundred
    times as much.
    """
    if axis.scale == "log":
        factor = 4.0 if axis.whole else DECADE
        low, high = axis.low / factor, axis.high * factor
    else:
        width = axis.high - axis.low
        low, high = axis.low - width, axis.high + width
    if axis.whole:
        low, high = math.ceil(low), math.floor(high)
        low = max(low, 1) if axis.scale == "log" else low
    if axis.lowest > 0 or axis.scale == "linear":
        low = max(low, axis.lowest)
    high = min(high, axis.highest)
    return (low, axis.high) if side == "low" else (axis.low, high)


def _all_failed(study: StudyInfo) -> Finding | None:
    over = [trial for trial in study.trials if trial.status not in ("running", "stopped")]
    if not over or any(trial.status != "failed" for trial in study.trials):
        return None
    reason, count = Counter(trial.reason for trial in over).most_common(1)[0]
    return ALL_TRIALS_FAILED.finding(
        evidence=(
            Evidence(name="trials that failed", value=len(over), threshold=len(over)),
            Evidence(name="most often because", value=reason or "no reason was given"),
            Evidence(name="so often", value=count),
        ),
        remedies=(
            Remedy(text="run `trainwright verify` on the recipe: the fault is most likely none of the values searched"),
            Remedy(text="lower the upper end of the learning rate's range tenfold"),
        ),
    )


def _linear(space: Space) -> list[Finding]:
    found = []
    for name, axis in space.items():
        if axis.scale == "linear" and not axis.whole and name.rpartition(".")[2] in RATES:
            spans = axis.high / axis.low if axis.low > 0 else math.inf
            if spans > DECADE:
                low = axis.low if axis.low > 0 else axis.high * 1e-4
                found.append(
                    RATE_SEARCHED_LINEARLY.finding(
                        evidence=(Evidence(name=f"highest over lowest {name}", value=spans, threshold=DECADE),),
                        remedies=(Remedy(text=f"search {name} by log_uniform({low:g}, {axis.high:g})"),),
                    )
                )
    return found
