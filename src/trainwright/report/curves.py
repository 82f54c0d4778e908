"""Curves small enough to draw that hide nothing: every extreme, both ends and every run of NaN survive."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MIN_LIMIT = 8


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points in the order of their steps. `total` counts all that were measured, `nan` and `infinite` the odd ones."""

    steps: tuple[float, ...]
    values: tuple[float, ...]
    total: int
    nan: int = 0
    infinite: int = 0

    @property
    def decimated(self) -> bool:
        """Whether points were left out."""
        return len(self.steps) < self.total

    def segments(self) -> Iterator[list[tuple[float, float]]]:
        """Yield the unbroken stretches of finite points; a line drawn across a NaN would be a lie."""
        segment: list[tuple[float, float]] = []
        for step, value in zip(self.steps, self.values, strict=True):
            if math.isfinite(value):
                segment.append((step, value))
            elif segment:
                yield segment
                segment = []
        if segment:
            yield segment

    def finite(self) -> list[tuple[float, float]]:
        """Return the points that have a number."""
        return [point for segment in self.segments() for point in segment]


def decimate(steps: Sequence[float], values: Sequence[float], limit: int = 1200) -> Curve:
    """Return at most `limit` points of a curve: the first, the last, and of each bucket the least and the greatest.

    Where a bucket holds values that are not finite, the first and the last of those stay as well.
    """
    if limit < MIN_LIMIT:
        raise ValueError(f"a curve needs at least {MIN_LIMIT} points to keep its extremes, not {limit}")
    count = len(values)
    nan = sum(map(math.isnan, values))
    infinite = sum(map(math.isinf, values))
    if count <= limit:
        return Curve(steps=tuple(steps), values=tuple(values), total=count, nan=nan, infinite=infinite)
    buckets = (limit - 2) // (4 if nan or infinite else 2)
    kept = {0, count - 1}
    for bucket in range(buckets):
        kept.update(_extremes(values, bucket * count // buckets, (bucket + 1) * count // buckets))
    order = sorted(kept)
    return Curve(
        steps=tuple(steps[index] for index in order),
        values=tuple(values[index] for index in order),
        total=count,
        nan=nan,
        infinite=infinite,
    )


def smooth(values: Sequence[float], span: float) -> list[float]:
    """Return the exponential mean over about `span` values, looking back only.

    It is causal: no value knows of a later one, so the start of a divergence is not drawn before it happened. Values
    that are not finite stay as they are and leave the mean untouched.
    """
    keep = 1.0 - 1.0 / max(span, 1.0)
    mean, weight = 0.0, 0.0
    smoothed = []
    for value in values:
        if math.isfinite(value):
            mean = keep * mean + (1.0 - keep) * value
            weight = keep * weight + (1.0 - keep)
            smoothed.append(mean / weight)
        else:
            smoothed.append(value)
    return smoothed


def _extremes(values: Sequence[float], begin: int, end: int) -> set[int]:
    window = values[begin:end]
    if all(map(math.isfinite, window)):
        finite = range(begin, end)
        odd: list[int] = []
    else:
        finite = [index for index in range(begin, end) if math.isfinite(values[index])]
        odd = [index for index in range(begin, end) if not math.isfinite(values[index])]
    kept = {odd[0], odd[-1]} if odd else set()
    if finite:
        kept |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
    return kept
