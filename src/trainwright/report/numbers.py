"""Numbers as a reader wants them: three or four digits that mean something, and words where there is no number."""

from __future__ import annotations

import math

from trainwright.records.findings import Scalar
from trainwright.report.safe import prose


def number(value: float, *, digits: int = 4) -> str:
    """Return a number with `digits` significant digits; whole numbers are grouped, NaN and infinities are words."""
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**12 else _huge(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinity" if value > 0 else "minus infinity"
    if 1e4 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def compact(value: int) -> str:
    """Return a count in at most five characters: 950, 12k, 3.4M."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            amount = value / size
            return f"{amount:.1f}{letter}" if amount < 9.95 else f"{amount:.0f}{letter}"
    return str(value)


def scalar(value: Scalar) -> str:
    """Return an evidence value, a threshold or a setting as harmless text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return prose(value) if isinstance(value, str) else number(value)


def percent(fraction: float) -> str:
    """Return a fraction as a percentage."""
    return f"{100 * fraction:.3g} %" if math.isfinite(fraction) else number(fraction)


def duration(seconds: float) -> str:
    """Return a time span in the two units that matter: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if not math.isfinite(seconds):
        return number(seconds)
    if abs(seconds) < 0.001:
        return "0 s" if seconds == 0 else "under 1 ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s" if seconds < 9.95 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours:,} h {left} min" if hours else f"{minutes} min {rest} s"


def plural(count: int, word: str) -> str:
    """Return the count with its word: 1 error, 2 errors."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _huge(value: int) -> str:
    try:
        return number(float(value))
    except OverflowError:
        return "above 1e+308" if value > 0 else "below -1e+308"
