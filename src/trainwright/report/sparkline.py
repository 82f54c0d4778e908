"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"
_NOT_FINITE = "×"


def sparkline(values: Sequence[float], *, low: float, high: float, width: int = 40) -> str:
    """Return a curve of at most `width` characters, each the mean of its part, from `low` to `high`; × is no number."""
    count = min(width, len(values))
    parts = [values[place * len(values) // count : (place + 1) * len(values) // count] for place in range(count)]
    return "".join(_character(sum(part) / len(part), low, high) for part in parts)


def _character(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return _NOT_FINITE
    share = (value - low) / (high - low) if high > low else 0.0
    return _LEVELS[min(len(_LEVELS) - 1, max(0, int(share * len(_LEVELS))))]
