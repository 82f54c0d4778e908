"""What is searched: one axis for each hyperparameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trainwright.records.findings import Scalar

Scale = Literal["linear", "log", "choice"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One dimension of a space. Numbers lie in [low, high], both included; `lowest` and `highest` are never passed.

    Whole numbers fill bins of equal width (on their scale), so that the first and the last come up as often as any.
    With `when`, the axis exists only where the choice of that name is one of `when_in`.
    """

    scale: Scale
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    choices: tuple[Scalar, ...] = ()
    lowest: float = -math.inf
    highest: float = math.inf
    when: str = ""
    when_in: tuple[Scalar, ...] = ()

    def value(self, unit: float) -> Scalar:
        """Return the value at `unit` in [0, 1]."""
        if self.scale == "choice":
            return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]
        if unit <= 0 or unit >= 1:  # the ends as they were given, not as rounding leaves them
            end = self.low if unit <= 0 else self.high
            return int(end) if self.whole else end
        start, end = self._span()
        position = start + unit * (end - start)
        number = math.exp(position) if self.scale == "log" else position
        if self.whole:
            return int(min(max(round(number), self.low), self.high))
        return min(max(number, self.low), self.high)

    def unit(self, value: Scalar) -> float:
        """Return where `value` lies: 0 at the low end, 1 at the high end, outside [0, 1] beyond; bins at their middle.

        Raises `ValueError` where a choice has no such value.
        """
        if self.scale == "choice":
            return (self.choices.index(value) + 0.5) / len(self.choices)
        start, end = self._span()
        number = float(value)
        if self.scale == "log":
            number = math.log(number) if number > 0 else -math.inf
        return (number - start) / (end - start) if end > start else 0.5

    def holds(self, value: Scalar) -> bool:
        """Return whether `value` lies on this axis."""
        if self.scale == "choice":
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def _span(self) -> tuple[float, float]:
        half = 0.5 if self.whole else 0.0
        start, end = self.low - half, self.high + half
        return (math.log(start), math.log(end)) if self.scale == "log" else (start, end)


Space = Mapping[str, Axis]
"""Name -> axis: what a study searches."""


def is_inside(values: Mapping[str, Scalar], space: Space) -> bool:
    """Return whether a configuration lies in `space`: every value on its axis, and no axis that applies without one."""
    for name, axis in space.items():
        applies = not axis.when or (axis.when in values and values[axis.when] in axis.when_in)
        if applies != (name in values) or (applies and not axis.holds(values[name])):
            return False
    return values.keys() <= space.keys()
