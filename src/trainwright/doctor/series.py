"""Numbers read off a series of records: levels, slopes and their noise. Plain Python; the series are short."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from trainwright.records import StepRecord


def finite(values: Sequence[float]) -> list[float]:
    """Return the values that are neither NaN nor infinite."""
    if all(map(math.isfinite, values)):  # as they nearly always are
        return list(values)
    return [value for value in values if math.isfinite(value)]


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN for no values, infinite where `statistics.fmean` would raise."""
    return sum(values) / len(values) if values else math.nan


def level(records: Sequence[StepRecord]) -> float:
    """Return the median training loss of the records; NaN for none."""
    losses = finite([record.loss for record in records])
    return statistics.median(losses) if losses else math.nan


def tail(records: Sequence[StepRecord], fraction: float, fewest: int) -> Sequence[StepRecord]:
    """Return the last `fraction` of the records, at least `fewest`."""
    return records[-max(fewest, int(len(records) * fraction)) :]


def slope(values: Sequence[float], blocks: int = 20) -> tuple[float, float]:
    """Return the change of `values` from start to end by a straight line, and the standard error of that change.

    Fitted through the means of `blocks` equal blocks, so that a long series costs no more than a short one and
    neighbouring values that move together do not make the error look small.
    """
    size = len(values) / min(blocks, len(values))
    means = [
        mean(values[int(index * size) : max(int((index + 1) * size), int(index * size) + 1)])
        for index in range(min(blocks, len(values)))
    ]
    count = len(means)
    if count < 4:
        return math.nan, math.inf
    places = [(index + 0.5) / count for index in range(count)]
    centre = mean(places)
    spread = sum((place - centre) ** 2 for place in places)
    middle = mean(means)
    gain = sum((place - centre) * (value - middle) for place, value in zip(places, means, strict=True)) / spread
    errors = [value - middle - gain * (place - centre) for place, value in zip(places, means, strict=True)]
    return gain, math.sqrt(sum(error * error for error in errors) / (count - 2) / spread)
