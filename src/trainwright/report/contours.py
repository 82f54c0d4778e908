"""The one ornament of the page: contour lines of a small terrain, drawn anew for each run from its name."""

from __future__ import annotations

import itertools
import math
import random
import zlib

_COLUMNS, _ROWS = 96, 30
_CELL = 10
_LEVELS = 22
_INDEX_EVERY = 5  # as on a map, every fifth line is a little stronger

Point = tuple[float, float]
Edge = tuple[int, int, int]  # the cell's column and row, and 0 for its upper or 1 for its left side


def contour_svg(name: str) -> str:
    """Return an SVG of contour lines. The same name gives the same terrain; it means nothing, and readers skip it."""
    heights = _terrain(random.Random(zlib.crc32(name.encode("utf-8", errors="replace"))))
    low, high = min(map(min, heights)), max(map(max, heights))
    paths = []
    for level in range(1, _LEVELS):
        lines = _trace(heights, low + (high - low) * level / _LEVELS)
        style = ' class="index"' if level % _INDEX_EVERY == 0 else ""
        paths.append(f'<path{style} d="{"".join(map(_smooth_path, lines))}"/>')
    box = f"0 0 {(_COLUMNS - 1) * _CELL} {(_ROWS - 1) * _CELL}"
    return (
        f'<svg class="terrain" viewBox="{box}" preserveAspectRatio="xMaxYMid slice" aria-hidden="true" '
        f'focusable="false">{"".join(paths)}</svg>'
    )


def _terrain(source: random.Random) -> list[list[float]]:
    # A wide valley with its floor at the right, and hills and hollows around it: a loss surface seen from above.
    hills = [
        (source.random(), source.uniform(-0.1, 1.1), source.uniform(0.08, 0.2), source.choice((-0.5, 0.45, 0.6)))
        for _ in range(9)
    ]
    centre, tilt = source.uniform(0.68, 0.82), source.uniform(-0.5, 0.5)

    def height(x: float, y: float) -> float:
        u, v = x - centre, 0.32 * (y - 0.5)
        valley = 3.2 * math.sqrt(u * u + 4 * (v + tilt * u * 0.3) ** 2 + 0.004)
        return valley + sum(a * math.exp(-((x - hx) ** 2 + 0.1 * (y - hy) ** 2) / (r * r)) for hx, hy, r, a in hills)

    return [[height(x / (_COLUMNS - 1), y / (_ROWS - 1)) for x in range(_COLUMNS)] for y in range(_ROWS)]


def _trace(heights: list[list[float]], level: float) -> list[list[Point]]:
    """Return the lines on which the terrain has this height, by marching squares."""
    neighbours: dict[Edge, list[Edge]] = {}
    for y, (upper, lower) in enumerate(itertools.pairwise(heights)):
        above = [height > level for height in upper]
        below = [height > level for height in lower]
        for x in range(_COLUMNS - 1):
            for begin, end in _crossings(x, y, (above[x], above[x + 1], below[x + 1], below[x])):
                neighbours.setdefault(begin, []).append(end)
                neighbours.setdefault(end, []).append(begin)
    # Lines that end at the border first, from their ends; what then remains are closed rings.
    starts = [edge for edge, around in neighbours.items() if len(around) == 1]
    walks = (_walk(neighbours, start) for start in [*starts, *neighbours] if neighbours[start])
    return [[_position(heights, edge, level) for edge in walk] for walk in walks]


def _crossings(x: int, y: int, corners: tuple[bool, bool, bool, bool]) -> list[tuple[Edge, Edge]]:
    """Return the pieces of line through a cell, by which of its corners, clockwise from the upper left, lie above."""
    if all(corners) or not any(corners):
        return []
    sides: tuple[Edge, ...] = ((x, y, 0), (x + 1, y, 1), (x, y + 1, 0), (x, y, 1))
    following = (*corners[1:], corners[0])
    crossed = [side for side, one, other in zip(sides, corners, following, strict=True) if one != other]
    # Four make a saddle: either pairing is right at this size.
    return list(zip(crossed[::2], crossed[1::2], strict=True))


def _walk(neighbours: dict[Edge, list[Edge]], start: Edge) -> list[Edge]:
    line = [start]
    while neighbours[line[-1]]:
        following = neighbours[line[-1]].pop()
        neighbours[following].remove(line[-1])
        line.append(following)
    return line


def _position(heights: list[list[float]], edge: Edge, level: float) -> Point:
    x, y, side = edge
    here = heights[y][x]
    there = heights[y][x + 1] if side == 0 else heights[y + 1][x]
    share = (level - here) / (there - here)
    return (x + share, y) if side == 0 else (x, y + share)


def _smooth_path(line: list[Point]) -> str:
    # Curves through the middles of the pieces, bent towards the points between them.
    scaled = [(x * _CELL, y * _CELL) for x, y in line]
    middles = [((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in itertools.pairwise(scaled)]
    path = [f"M{scaled[0][0]:.0f} {scaled[0][1]:.0f}L{middles[0][0]:.1f} {middles[0][1]:.1f}"]
    path += [f"Q{a:.1f} {b:.1f} {c:.1f} {d:.1f}" for (a, b), (c, d) in zip(scaled[1:-1], middles[1:], strict=True)]
    return "".join(path) + f"L{scaled[-1][0]:.0f} {scaled[-1][1]:.0f}"
