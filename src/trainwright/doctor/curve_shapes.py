"""What a lone curve tells: its level at start and end, its own roughness, and why it cannot be judged.

Nothing is known here of a constant guess or of the noise of an evaluation, so a curve is compared with itself.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainwright.doctor.kind import Kind
from trainwright.doctor.series import finite
from trainwright.records import Chart, EvalRecord, Finding

FEWEST = 6
"""Points below which a curve has no shape."""


@dataclass(frozen=True, kw_only=True)
class CurveRule:
    """Judges one kind from curves alone; `missing` says why it cannot, None where it can."""

    kind: Kind
    missing: Callable[[Chart], str | None]
    judge: Callable[[Chart], Finding | None]


def no_training_loss(chart: Chart) -> str | None:
    """Say why nothing can be told from the training loss, None where it is there."""
    return None if chart.steps else "no training loss was logged"


def no_shape(chart: Chart) -> str | None:
    """Say why the training loss has no shape that means anything, None where it has."""
    moving = next((event.detail.get("moving") for event in chart.events if event.detail.get("moving")), None)
    losses = [record.loss for record in chart.steps]
    if not losses:
        return "no training loss was logged"
    if moving:
        return str(moving)
    if len(losses) < FEWEST:
        return f"the training loss was logged {len(losses)} times: {FEWEST} are the fewest that have a shape"
    if min(finite(losses), default=1.0) < 0:
        return "the loss falls below zero: no ratio of two of its values means anything"
    return None


def no_rate(chart: Chart) -> str | None:
    """Say why the learning rate cannot be judged, None where it can."""
    if not chart.steps:
        return "no training loss was logged"
    rates = finite([record.rate for record in chart.steps])
    return None if len(rates) >= FEWEST else "the learning rate was not logged"


def no_validation(chart: Chart, fewest: int) -> str | None:
    """Say why the validation loss cannot be judged, None where at least `fewest` of its values are there."""
    known = known_evaluations(chart)
    if not known:
        return "no validation loss was logged"
    if len(known) < fewest:
        return f"the validation loss was logged {len(known)} times: {fewest} are needed"
    return None


def known_evaluations(chart: Chart) -> list[EvalRecord]:
    """Return the evaluations on validation data whose loss is a number."""
    return [record for record in chart.evaluations("validation") if math.isfinite(record.loss)]


def span(count: int) -> int:
    """Return how many points make an end of a curve: a tenth, at least 3."""
    return max(3, count // 10)


def middle(values: Sequence[float]) -> float:
    """Return the median of the finite values, NaN where there are none."""
    known = finite(values)
    return statistics.median(known) if known else math.nan


def low(values: Sequence[float]) -> float:
    """Return what a tenth of the finite values lie below."""
    known = sorted(finite(values))
    return known[len(known) // 10] if known else math.nan


def roughness(values: Sequence[float]) -> float:
    """Return the noise of a curve as its own bends show it; a steep start counts as noise too, on the safe side.

    A point lies off the middle of its two neighbours by noise of 3/2 times its variance, and the mean of |noise| is
    0.798 of the standard deviation. The median would be blind to the start, but of ten bends it is often far too low.
    """
    bends = [abs(here - (before + after) / 2) for before, here, after in zip(values, values[1:], values[2:])]  # noqa: B905
    return statistics.fmean(bends) / 0.798 / math.sqrt(1.5) if bends else 0.0
