"""Where a word may stand beside a point of a drawing so that it hides as little of the curves as can be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LETTER = 7.9  # width of a letter of the 13 px monospaced font
_ASCENT, _DESCENT = 11, 4
_PLACES = ((10, -11), (10, 21), (-10, -11), (-10, 21), (12, -28), (12, 38), (-12, -28), (-12, 38))
"""Offsets from the point that are tried, the nearest first; a word at the left ends there."""

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The part of a drawing that words may use, in pixels."""

    left: float
    right: float
    top: float
    bottom: float


def place_label(text: str, x: float, y: float, frame: Frame, curves: Iterable[Sequence[Point]]) -> tuple[Point, str]:
    """Return where to write `text` beside the point `(x, y)`, and its anchor: where it covers least of the curves."""
    covered = [point for curve in curves for point in _dense(curve)]
    best, anchor, least = (x + 10, y - 11), "start", float("inf")
    for along, down in _PLACES:
        width = _LETTER * len(text)
        left = x + along if along > 0 else x + along - width
        baseline = y + down
        over, under = baseline - _ASCENT, baseline + _DESCENT
        if left < frame.left or left + width > frame.right or over < frame.top or under > frame.bottom:
            continue
        hidden = sum(left - 2 <= at <= left + width + 2 and over <= height <= under for at, height in covered)
        if hidden < least:
            best, anchor, least = (x + along, baseline), "start" if along > 0 else "end", hidden
    return best, anchor


def _dense(curve: Sequence[Point]) -> Iterable[Point]:
    """Yield points along a curve, some pixels apart: its corners alone may lie far from each other."""
    yield from curve[-1:]
    for (x, y), (to_x, to_y) in itertools.pairwise(curve):
        count = 1 + int(max(abs(to_x - x), abs(to_y - y)) / 4)
        for part in range(count):
            yield x + (to_x - x) * part / count, y + (to_y - y) * part / count
