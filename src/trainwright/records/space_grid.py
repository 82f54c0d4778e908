"""The finest grid over a space: what the grid sampler tries, and what a report holds against another sampler."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from trainwright.records.findings import Scalar
from trainwright.records.space import Axis, Space

_MOST_COMBINATIONS = 4096


def grid_levels(space: Space, count: int) -> dict[str, int]:
    """Return the levels of the finest grid of at most `count` points with about as many on each axis.

    Every choice has all its values, even where that alone makes more points than `count`.
    """
    levels = {name: len(axis.choices) or 1 for name, axis in space.items()}
    most = {
        name: int(axis.high - axis.low) + 1 if axis.whole else count
        for name, axis in space.items()
        if axis.scale != "choice"
    }
    while most:
        # The axis with the fewest levels gets one more; one that cannot grow within the count is done.
        name = min(most, key=lambda one: levels[one])
        finer = levels | {name: levels[name] + 1}
        if levels[name] < most[name] and grid_points(space, finer) <= count:
            levels = finer
        else:
            del most[name]
    return levels


def grid_values(axis: Axis, levels: int) -> tuple[Scalar, ...]:
    """Return the distinct values of an axis at so many levels, both ends included; all of a choice."""
    if axis.scale == "choice":
        return axis.choices
    units = [0.5] if levels == 1 else [place / (levels - 1) for place in range(levels)]
    return tuple(dict.fromkeys(axis.value(unit) for unit in units))


def grid_points(space: Space, levels: Mapping[str, int]) -> int:
    """Return the points of a grid: where axes apply to some choices alone, points that would be alike count once."""
    sizes = {name: len(grid_values(axis, levels[name])) for name, axis in space.items()}
    choices = [name for name, axis in space.items() if axis.scale == "choice"]
    plain = not any(axis.when for axis in space.values())
    if plain or math.prod(sizes[name] for name in choices) > _MOST_COMBINATIONS:
        return math.prod(sizes.values())
    distinct: dict[tuple[tuple[str, Scalar], ...], int] = {}
    for cell in itertools.product(*(space[name].choices for name in choices)):
        chosen = dict(zip(choices, cell, strict=True))
        applies = [name for name in space if _applies(name, space, chosen)]
        key = tuple((name, chosen[name]) for name in choices if name in applies)
        distinct[key] = math.prod(sizes[name] for name in applies if name not in chosen)
    return sum(distinct.values())


def _applies(name: str, space: Space, chosen: Mapping[str, Scalar]) -> bool:
    axis = space[name]
    if not axis.when:
        return True
    return axis.when in chosen and chosen[axis.when] in axis.when_in and _applies(axis.when, space, chosen)
