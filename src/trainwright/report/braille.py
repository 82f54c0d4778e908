"""A small curve for the terminal, drawn in braille: each character holds two by four dots."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from trainwright.report.axes import Axis
from trainwright.report.curves import Curve

# The bit of each dot, by column and by row from the top, as Unicode numbers them.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800


def draw(curve: Curve, steps: Axis, values: Axis, *, columns: int, rows: int) -> list[str]:
    """Return `rows` lines of `columns` braille characters that show the curve; gaps stay where it is not finite."""
    cells = [[_BLANK] * columns for _ in range(rows)]
    wide, tall = 2 * columns - 1, 4 * rows - 1
    for segment in curve.segments():
        dots = [(round(steps.place(step) * wide), round((1 - values.place(value)) * tall)) for step, value in segment]
        for x, y in _joined(dots):
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
    return ["".join(map(chr, row)) for row in cells]


def _joined(dots: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    filled = {dots[0]}
    for (x0, y0), (x1, y1) in itertools.pairwise(dots):
        length = max(abs(x1 - x0), abs(y1 - y0), 1)
        filled |= {(x0 + round((x1 - x0) * i / length), y0 + round((y1 - y0) * i / length)) for i in range(length + 1)}
    return filled
