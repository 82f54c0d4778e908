"""Columns that grow, and what of them is drawn: at most four real points for each pixel, the extremes always."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
MOST_RAW = 5_000
"""Points that are sent as they are: more than a screen has columns, and still a few tens of kilobytes."""
_FIRST_SIZE = 256


class Column:
    """Numbers over steps that are only ever appended to; a step that comes again replaces what came at and after it."""

    def __init__(self, x: Numbers | None = None, y: Numbers | None = None) -> None:
        self._x = np.empty(_FIRST_SIZE) if x is None else x
        self._y = np.empty(_FIRST_SIZE) if y is None else y
        self.size = 0 if x is None else len(x)

    def extend(self, x: Numbers, y: Numbers) -> None:
        """Append points in the order of their steps."""
        if not len(x):
            return
        if self.size and x[0] <= self._x[self.size - 1]:  # a run that was resumed from an earlier step
            self.size = int(np.searchsorted(self._x[: self.size], x[0]))
        needed = self.size + len(x)
        if needed > len(self._x):
            room = max(needed, 2 * len(self._x))
            self._x, self._y = (np.resize(each[: self.size], room) for each in (self._x, self._y))
        elif not self._x.flags.writeable:
            self._x, self._y = self._x.copy(), self._y.copy()
        self._x[self.size : needed] = x
        self._y[self.size : needed] = y
        self.size = needed

    @property
    def x(self) -> Numbers:
        """The steps, in order."""
        return self._x[: self.size]

    @property
    def y(self) -> Numbers:
        """The values; NaN and infinities stay what they are."""
        return self._y[: self.size]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What of a column is drawn over an interval.

    `x` and `y` are real points of the column (never means), NaN where at least one value of a pixel was not finite;
    `total` counts the points in the interval, `low` and `high` are exact over the finite ones; `lost` counts NaN,
    infinity and minus infinity, and `first_lost` the x of the first of each, None where there is none.
    """

    x: Numbers
    y: Numbers
    total: int
    shown: int
    low: float
    high: float
    last: float
    lost: tuple[int, ...]
    first_lost: tuple[float | None, ...]


def draw(x: Numbers, y: Numbers, *, start: float | None, end: float | None, pixels: int) -> Drawn:
    """Return what is drawn of `y` over `x` (in order) between `start` and `end`, on so many pixels.

    Up to `MOST_RAW` points come whole. Of more, each pixel keeps its first, least, greatest and last finite point, so
    that a spike of one step is there at any zoom; one point beyond each end keeps the line running to the edge.
    """
    first = 0 if start is None else max(int(np.searchsorted(x, start, side="left")) - 1, 0)
    stop = len(x) if end is None else min(int(np.searchsorted(x, end, side="right")) + 1, len(x))
    x, y = x[first:stop], y[first:stop]
    finite = np.isfinite(y)
    sound = y if finite.all() else y[finite]
    lost_places = np.flatnonzero(~finite)
    lost = y[lost_places]
    kinds = (np.isnan(lost), lost == math.inf, lost == -math.inf)
    kept = np.arange(len(x)) if len(x) <= MOST_RAW else _kept(x, y, finite, pixels)
    return Drawn(
        x=x[kept],
        y=np.where(np.isfinite(y[kept]), y[kept], math.nan),
        total=len(x),
        shown=len(kept),
        low=float(sound.min()) if len(sound) else math.nan,
        high=float(sound.max()) if len(sound) else math.nan,
        last=float(y[-1]) if len(y) else math.nan,
        lost=tuple(int(each.sum()) for each in kinds),
        first_lost=tuple(float(x[lost_places[each.argmax()]]) if each.any() else None for each in kinds),
    )


def _kept(x: Numbers, y: Numbers, finite: NDArray[np.bool_], pixels: int) -> NDArray[np.intp]:
    """Return the places of the points that are kept, in order (the M4 aggregation of Jugel and others, 2014)."""
    edges = np.searchsorted(x, np.linspace(x[0], x[-1], pixels + 1)[1:-1], side="left")
    bounds = np.concatenate(([0], edges, [len(x)]))
    whole = bool(finite.all())
    chosen: list[int] = []
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if begin == end:
            continue
        part = y[begin:end]
        sound = slice(None) if whole else np.flatnonzero(finite[begin:end])
        picked = part[sound]
        if len(picked):
            places = (0, int(picked.argmin()), int(picked.argmax()), len(picked) - 1)
            chosen += [begin + (place if isinstance(sound, slice) else int(sound[place])) for place in places]
        if not isinstance(sound, slice) and len(sound) < len(part):
            chosen.append(begin + int(np.flatnonzero(~finite[begin:end])[0]))
    return np.unique(np.array(chosen, dtype=np.intp))


LONGEST = 20
"""Half-lives that are summed at once: the last weight is then a million times the first, far from rounding."""


def smoothed(x: Numbers, y: Numbers, half_life: float) -> Numbers:
    """Return the debiased exponential mean of `y`, looking back only, with a half-life in units of `x`.

    It is made of all points, so that neither zoom nor sampling changes it, and what is past stays as it was. Values
    that are not finite are passed over, and leave a gap.
    """
    finite = np.isfinite(y)
    means = np.full(len(y), math.nan)
    total = weight = before = 0.0
    # Stretches over which the weights stay within 2^LONGEST of each other: there the recursion is a running sum.
    begin = 0
    while begin < len(x):
        end = max(int(np.searchsorted(x, x[begin] + LONGEST * half_life, side="right")), begin + 1)
        gain = np.exp2((x[begin:end] - x[begin]) / half_life)
        keep = 2.0 ** (-(x[begin] - before) / half_life)
        sound = finite[begin:end]
        totals = total * keep + np.cumsum(np.where(sound, y[begin:end], 0.0) * gain)
        weights = weight * keep + np.cumsum(sound * gain)
        np.divide(totals, weights, out=means[begin:end], where=sound)
        total, weight, before = totals[-1] / gain[-1], weights[-1] / gain[-1], float(x[end - 1])
        begin = end
    return means
