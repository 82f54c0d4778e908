"""Axes that stay useful where numbers run away, and lines that are put together alike in every simulation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import get_args

from trainwright.lab.schema import Axis, Dash, Plot, Series

MARGIN = 0.05
"""Free share of a window on each side of what it shows."""


def finite(values: Iterable[float]) -> list[float]:
    """Return the values that can be drawn."""
    return [value for value in values if math.isfinite(value)]


def window(
    values: Iterable[float], *, log: bool = False, keep: Sequence[float] = (), most: float = math.inf
) -> tuple[float, float]:
    """Return the ends of an axis that shows the finite `values` and all of `keep`, none beyond `most`.

    Where nothing can be shown it is (0, 1), or (0.1, 1) on a log axis.
    """
    shown = [value for value in [*finite(values), *keep] if abs(value) <= most and (value > 0 or not log)]
    if not shown:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(shown), max(shown)
    if log:
        wide = max(math.log10(high / low), 0.1) * MARGIN
        return low / 10**wide, high * 10**wide
    wide = (high - low or abs(high) or 1.0) * MARGIN
    return low - wide, high + wide


def plot(
    title: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    *,
    keep: Sequence[float] = (),
    most: float = math.inf,
    **more,
) -> Plot:
    """Return a plot whose y axis has a finite window, with the count of the points outside it.

    `most` bounds the window where values run away; the axis's own `low` and `high` come first where it has them.
    """
    values = [value for line in series for value in (*line.y, *line.low, *line.high)]
    low, high = window(values, log=y.log, keep=keep, most=most)
    low, high = (low if y.low is None else y.low), (high if y.high is None else y.high)
    axis = Axis(label=y.label, unit=y.unit, log=y.log, low=low, high=high)
    off = sum(not low <= value <= high for line in series for value in line.y)
    return Plot(title=title, x=x, y=axis, series=apart(series), off_scale=off, **more)


def apart(series: Sequence[Series]) -> tuple[Series, ...]:
    """Return series of which no two look alike but for their colours, where there are dashes enough for that.

    Each keeps its own dash unless an earlier one has it. Points have a shape for each dash; bars and stems have none.
    """
    taken: set[tuple[bool, str]] = set()
    made = []
    for each in series:
        are_points = each.style == "points"
        free = [dash for dash in (each.dash, *get_args(Dash)) if (are_points, dash) not in taken]
        dash = free[0] if free and each.style not in ("bars", "stems") else each.dash
        taken.add((are_points, dash))
        made.append(each if dash == each.dash else replace(each, dash=dash))
    return tuple(made)


def linspace(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return `count` numbers from `low` to `high`, both exact."""
    return (*(low + (high - low) * place / (count - 1) for place in range(count - 1)), high)


def logspace(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return `count` numbers from `low` to `high`, at equal ratios, both exact."""
    ratio = math.log(high / low)
    inner = (low * math.exp(ratio * place / (count - 1)) for place in range(1, count - 1))
    return (low, *inner, high)
