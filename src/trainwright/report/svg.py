"""Pieces of a drawing that stretches: places along are percentages, heights true pixels, so words keep their size."""

from __future__ import annotations

from collections.abc import Iterable

from trainwright.report.axes import Axis, tick_labels
from trainwright.report.safe import markup

STRETCH = 1000
"""Width of the box in which curves are drawn before it is stretched."""


def height(up: Axis, value: float, top: float, bottom: float) -> float:
    """Return how far down a value lies, in pixels."""
    return bottom - up.place(value) * (bottom - top)


def word(style: str, x: str, y: float, text: str, *, anchor: str, shift: int = 0) -> str:
    """Return text at `x` (a percentage) and `y` (pixels), escaped, moved by `shift` pixels."""
    moved = f' dx="{shift}"' if shift else ""
    return f'<text class="{style}" x="{x}" y="{y:.1f}"{moved} text-anchor="{anchor}">{markup(text)}</text>'


def value_grid(up: Axis, top: float, bottom: float, *, count: int) -> list[str]:
    """Return about `count` lines across the drawing, each with its value at the left."""
    parts = []
    ticks = up.ticks(count)
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        y = height(up, tick, top, bottom)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(word("tick", "0", y + 4, label, anchor="end", shift=-8))
    return parts


def picture(key: str, title: str, tall: float, parts: Iterable[str]) -> str:
    """Return the drawing with its title, for those who do not see it; `key` is the only one of its kind on a page."""
    return (
        f'<svg class="plot" role="img" aria-labelledby="{key}-title" height="{tall:g}">'
        f'<title id="{key}-title">{markup(title)}</title>{"".join(parts)}</svg>'
    )


def stretched(tall: float, paths: Iterable[str], *, y: float = 0.0) -> str:
    """Return paths in a box of `STRETCH` units that is stretched to the drawing's width; heights stay true pixels."""
    return (
        f'<svg y="{y:g}" width="100%" height="{tall:g}" viewBox="0 0 {STRETCH} {tall:g}" preserveAspectRatio="none" '
        f'overflow="visible">{"".join(paths)}</svg>'
    )
