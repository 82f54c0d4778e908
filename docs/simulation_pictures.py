"""Draws what the simulations of the lab show as small SVGs that stand alone, for the pages: docs/pictures/lab-NAME.svg.

    python -m docs.simulation_pictures            draws all that the pages name
    python -m docs.simulation_pictures --compare  writes nothing, says what differs

A page names one by `![what it shows](../pictures/lab-NAME.svg)`, or lab-NAME-K.svg for its K-th plot. The numbers are
those of the simulation at its defaults, so a picture shows what a reader sees who opens the simulation.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from docs.blocks import DOCS, pages
from docs.execute import same
from docs.sheet import COLORS, Sheet

from trainwright.lab.registry import find
from trainwright.lab.schema import Axis, Field, Plot, Series
from trainwright.lab.values import resolve
from trainwright.report.axes import Axis as Scale
from trainwright.report.axes import axis_for
from trainwright.report.curves import decimate

FOLDER = DOCS / "pictures"
_NAMED = re.compile(r"pictures/(lab-([a-z-]+?)(?:-(\d))?\.svg)")
_POINTS = 160
"""Points of a curve that are drawn, extremes among them: more cannot be seen at this size."""
_LEVELS = 9


def main(arguments: Sequence[str]) -> int:
    """Draw or compare the pictures that the pages name."""
    wrong = []
    for file, name, place in sorted(_wanted()):
        made, path = drawn(name, place), FOLDER / file
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if not same(before, made):
            wrong.append(file)
            if "--compare" not in arguments:
                path.write_text(made, encoding="utf-8")
    if "--compare" in arguments and wrong:
        print(f"differ from what the simulations give: {', '.join(wrong)}; python -m docs.simulation_pictures")
    return int("--compare" in arguments and bool(wrong))


def _wanted() -> set[tuple[str, str, int]]:
    texts = [page.read_text(encoding="utf-8") for page in pages()]
    return {(file, name, int(place or 1)) for text in texts for file, name, place in _NAMED.findall(text)}


def drawn(name: str, place: int) -> str:
    """Return the picture of a simulation: its field where it has one and `place` is 1, else the plot of that number."""
    simulation = find(name)
    result = simulation.run(resolve(simulation, {}))
    views = [*result.fields, *result.plots]
    view = views[place - 1]
    sheet = Sheet(f"{simulation.title}: {view.title}")
    if isinstance(view, Field):
        _field(sheet, view)
    else:
        _plot(sheet, view)
    return sheet.svg(result.verdict.text)


def _plot(sheet: Sheet, plot: Plot) -> None:
    shown = [series for series in plot.series if any(map(math.isfinite, series.y))]
    sheet.axes(
        _scale(plot.x, [x for series in shown for x in series.x]),
        _scale(plot.y, [y for series in shown for y in series.y]),
        plot.x.label,
        plot.y.label,
    )
    for series in shown:
        color = COLORS[series.role]
        if series.style == "points":
            faint = len(series.x) > _POINTS
            for x, y in zip(*_few(series), strict=True):
                sheet.dot(x, y, color, 1.6 if faint else 3, opacity=0.35 if faint else 0.9)
        elif series.style == "bars":
            for x, y in zip(series.x, series.y, strict=True):
                sheet.stem(x, y, color)
        else:
            sheet.line(*_few(series), color, dashed=series.dash != "solid", stepped=series.style == "steps")
    for marker in plot.markers:
        if marker.x is not None and marker.y is not None:
            sheet.ring(marker.x, marker.y)
    sheet.legend([(series.name, COLORS[series.role]) for series in shown])


def _few(series: Series) -> tuple[list[float], list[float]]:
    """Return a series with few points; steps between whole numbers are counted, so that any x can be thinned."""
    curve = decimate(range(len(series.x)), list(series.y), _POINTS)
    return [series.x[int(place)] for place in curve.steps], list(curve.values)


def _scale(axis: Axis, values: list[float]) -> Scale:
    low, high = axis.low, axis.high
    if low is not None and high is not None and (low > 0 or not axis.log):
        return Scale(low=low, high=high, log=axis.log)
    inside = [value for value in values if value > 0 or not axis.log]
    if axis.log:
        return Scale(low=min(inside), high=max(inside), log=True)
    found = axis_for(inside, allow_log=False)
    return found or Scale(low=0, high=1)


def _field(sheet: Sheet, field: Field) -> None:
    across = Scale(low=field.x[0], high=field.x[-1])
    sheet.axes(across, Scale(low=field.y[0], high=field.y[-1]), field.x_axis.label, field.y_axis.label)
    least = min(min(row) for row in field.values)
    most = max(max(row) for row in field.values)
    for level in range(1, _LEVELS + 1):
        share = level / (_LEVELS + 1)
        height = least + (most - least) * (10 ** (4 * (share - 1)) if field.log else share)
        for begin, end in _crossings(field, height):
            sheet.contour(begin, end)
    for path in field.paths:
        color = COLORS[path.role]
        if path.style == "points":
            for x, y in zip(path.x, path.y, strict=True):
                sheet.dot(x, y, color, 3, opacity=0.9)
        else:
            sheet.line(list(path.x[:_POINTS]), list(path.y[:_POINTS]), color, dashed=path.dash != "solid")
    for marker in field.markers:
        if marker.x is not None and marker.y is not None:
            sheet.ring(marker.x, marker.y)
    sheet.legend([(path.name, COLORS[path.role]) for path in field.paths])


Point = tuple[float, float]


def _crossings(field: Field, level: float) -> Iterator[tuple[Point, Point]]:
    """Yield the pieces of the line at a height, by marching triangles: two for each cell, so no case is ambiguous."""
    for row in range(len(field.y) - 1):
        for column in range(len(field.x) - 1):
            corners = [
                (field.x[c], field.y[r], field.values[r][c])
                for r, c in ((row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column))
            ]
            for triangle in ((0, 1, 2), (0, 2, 3)):
                cut = list(_cut([corners[place] for place in triangle], level))
                if len(cut) == 2:
                    yield cut[0], cut[1]


def _cut(triangle: list[tuple[float, float, float]], level: float) -> Iterator[Point]:
    for place in range(3):
        (x0, y0, z0), (x1, y1, z1) = triangle[place], triangle[(place + 1) % 3]
        if (z0 < level) != (z1 < level):
            share = (level - z0) / (z1 - z0)
            yield x0 + share * (x1 - x0), y0 + share * (y1 - y0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(main(sys.argv[1:]))
