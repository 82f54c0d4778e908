"""The value axis of a plot: its range, whether it is logarithmic, and where its ticks are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

from trainwright.report.curves import Curve

LOG_DECADES = 1.5
"""A positive curve that spans more than this is drawn on a logarithmic axis."""
_PADDING = 0.05
_SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A range of values, linear or logarithmic."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where `value` lies: 0 at the lower end, 1 at the upper; what lies outside sits on the edge."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return min(1.0, max(0.0, (self._scaled(value) - low) / (high - low)))

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round values within the range."""
        return _log_ticks(self.low, self.high, count) if self.log else _linear_ticks(self.low, self.high, count)

    def _scaled(self, value: float) -> float:
        if self.log:
            return math.log10(max(value, 5e-324))
        # Divided before it is subtracted: the difference of two huge values would be infinite.
        return value / max(abs(self.low), abs(self.high))


def axis_for(values: Iterable[float], *, allow_log: bool, zero: bool = False) -> Axis | None:
    """Return an axis that shows all finite `values`, or None where there are none. With `zero`, it begins at zero."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    if allow_log and low > 0 and math.log10(high) - math.log10(low) > LOG_DECADES:
        pad = _PADDING * (math.log10(high) - math.log10(low))
        return Axis(low=max(5e-324, 10 ** (math.log10(low) - pad)), high=_power(math.log10(high) + pad), log=True)
    # What differs in its last digits alone is constant: to magnify it would draw the rounding.
    constant = high - low <= _SAME * max(abs(low), abs(high))
    pad = (abs(low) * 0.5 or 1.0) if constant else high * _PADDING - low * _PADDING
    # Near zero, zero is the honest ground: a curve from 0.1 to 0.9 does not begin at its own foot.
    grounded = low >= 0 and (zero or low < 0.35 * high)
    return Axis(low=0.0 if grounded else max(low - pad, -1.7e308), high=min(high + pad, 1.7e308))


def lost_cells(curve: Curve, across: Axis, count: int) -> set[int]:
    """Return which of `count` + 1 marks along the step axis a stretch of values without a number covers."""
    cells: set[int] = set()
    points = zip(curve.steps, curve.values, strict=True)
    for finite, stretch in itertools.groupby(points, key=lambda point: math.isfinite(point[1])):
        if not finite:
            steps = [step for step, _ in stretch]
            first, last = (round(across.place(step) * count) for step in (steps[0], steps[-1]))
            cells.update(range(first, last + 1))
    return cells


def tick_labels(ticks: list[float]) -> list[str]:
    """Return the ticks as short text, with as many digits as it takes to tell neighbours apart."""
    gaps = [abs(after - before) for before, after in itertools.pairwise(ticks)]
    largest = max(map(abs, ticks), default=0.0)
    if gaps and max(gaps) < 1.01 * min(gaps) and 1e-3 <= largest < 1e5:
        digits = _decimals(gaps[0])
        return [f"{tick:,.{digits}f}" if tick else "0" for tick in ticks]
    return [f"{tick:,.4g}" if 1e-3 <= abs(tick) < 1e4 else _exponential(tick) for tick in ticks]


def _linear_ticks(low: float, high: float, count: int) -> list[float]:
    rough = high / count - low / count
    size = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 0.0
    if size == 0 or math.isinf(size):
        return [low, high]
    step = next((size * factor for factor in (1, 2, 2.5, 5) if size * factor >= rough), size * 10)
    first = math.ceil(low / step)
    # Counted, not added up: beyond 2**53 steps an addition changes nothing and would not end.
    ticks = [(first + index) * step for index in range(2 * count + 2)]
    return [tick for tick in ticks if low <= tick <= high]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    stride = max(1, math.ceil((last - first + 1) / count))
    ticks = [_power(exponent) for exponent in range(first, last + 1) if exponent % stride == 0]
    if len(ticks) >= 3:
        return ticks
    for digits in ((1, 2, 5), (1, 3)):
        finer = [digit * _power(exponent) for exponent in range(first - 1, last + 1) for digit in digits]
        ticks = [tick for tick in finer if low <= tick <= high]
        if len(ticks) <= count + 1:
            break
    return ticks


def _power(exponent: float) -> float:
    return 10.0**exponent if exponent < 308 else 1.7e308


def _decimals(gap: float) -> int:
    digits = 0
    while digits < 6 and abs(gap - round(gap, digits)) > 1e-6 * gap:
        digits += 1
    return digits


def _exponential(value: float) -> str:
    mantissa, exponent = f"{value:.3e}".split("e")
    digits = mantissa.rstrip("0").rstrip(".")
    return f"{digits}e{int(exponent)}" if value else "0"
