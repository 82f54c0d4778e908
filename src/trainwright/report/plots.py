"""Line charts as pure SVG. Words keep their size while the curves stretch, so one drawing fits every screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainwright.records import Severity
from trainwright.report.axes import Axis, axis_for, lost_cells
from trainwright.report.numbers import compact, number
from trainwright.report.panels import Panel, Series
from trainwright.report.safe import markup
from trainwright.report.svg import height, value_grid, word

# The curves live in a box of this width that is stretched to the sheet; heights are in true pixels.
_WIDTH = 1000
_TALL, _LOW = 250, 130
_GUTTER = 20
_FOOT = 22
_LABEL_GAP = 15
_MAX_DOTS = 60
_CELLS = 100


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A finding on the step axis, by the number of its card."""

    number: int
    severity: Severity
    step: int
    title: str


def plot_svg(panel: Panel, across: Axis, pins: Sequence[Pin]) -> str:
    """Return the panel as an `<svg>`. All panels with the same `across` align step by step."""
    measured = [series for series in panel.series if not series.derived]
    lost = sum(series.curve.nan + series.curve.infinite for series in measured)
    top = _GUTTER if lost else 0
    bottom = top + (_TALL if panel.key == "loss" else _LOW)
    up = _value_axis(panel)
    parts = _gutter(measured, across, lost) if lost else []
    if up is None:
        parts.append(word("empty", "50%", (top + bottom) / 2, "no finite value", anchor="middle"))
    else:
        parts += value_grid(up, top, bottom, count=5 if bottom - top > _LOW else 4)
    parts += _step_axis(across, bottom)
    parts += [_pin_line(pin, across, bottom) for pin in pins]
    if up is not None:
        for place, (name, level) in enumerate(panel.baselines):
            parts += _baseline(name, level, up, top, bottom, left=place % 2 == 1)
        parts += [_curves(panel.series, across, up, top, bottom), *_end_labels(panel.series, up, top, bottom)]
    key = markup(panel.key)
    head = f'<title id="{key}-title">{markup(panel.title)} by optimizer step</title>'
    told = f'<desc id="{key}-desc">{markup(_description(panel, measured, up))}</desc>'
    return (
        f'<svg class="plot" role="img" aria-labelledby="{key}-title {key}-desc" height="{bottom + _FOOT}">'
        f"{head}{told}{''.join(parts)}</svg>"
    )


def _value_axis(panel: Panel) -> Axis | None:
    values = [value for series in panel.series for value in series.curve.values]
    if axis_for(values, allow_log=False) is None:
        return None
    levels = [level for _, level in panel.baselines]
    return axis_for([*values, *levels], allow_log=panel.allow_log, zero=panel.zero)


def _step_axis(across: Axis, bottom: float) -> list[str]:
    parts = [f'<line class="axis" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>']
    ticks = [round(tick) for tick in across.ticks(6) if tick == round(tick)]
    for index, tick in enumerate(ticks):
        place = 100 * across.place(tick)
        anchor = "end" if place > 96 else "middle"
        # Every second label goes on a narrow screen.
        style = "tick minor" if index % 2 else "tick"
        parts.append(f'<line class="axis" x1="{place:.2f}%" x2="{place:.2f}%" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(word(style, f"{place:.2f}%", bottom + 18, number(tick), anchor=anchor))
    return parts


def _pin_line(pin: Pin, across: Axis, bottom: float) -> str:
    x = f"{100 * across.place(pin.step):.2f}%"
    return f'<line class="pin-line {pin.severity}" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>'


def _baseline(name: str, level: float, up: Axis, top: float, bottom: float, *, left: bool) -> list[str]:
    """Draw a level to compare with; labels of two stand at different ends, since the levels may be near each other."""
    y = height(up, level, top, bottom)
    line = f'<line class="baseline" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
    above = y - 6 if y - top > 18 else y + 14
    place, anchor, shift = ("0", "start", 4) if left else ("100%", "end", -4)
    return [line, word("baseline-label", place, above, f"{name} {number(level)}", anchor=anchor, shift=shift)]


def _gutter(measured: Iterable[Series], across: Axis, lost: int) -> list[str]:
    """Draw the strip above the plot that marks where values were not finite: a gap alone is easily overlooked."""
    cells = {cell for series in measured for cell in lost_cells(series.curve, across, _CELLS)}
    parts = [f'<rect class="gutter" width="100%" height="{_GUTTER - 4}"/>']
    parts.append(word("tick", "0", 12, f"{compact(lost)} ×", anchor="end", shift=-8))
    for cell in sorted(cells):
        if cell - 1 in cells:
            parts.append(f'<line class="lost" x1="{cell - 1}%" x2="{cell}%" y1="8" y2="8"/>')
        if not {cell - 1, cell + 1} <= cells:
            parts.append(word("lost-sign", f"{cell}%", 12, "×", anchor="middle"))
    return parts


def _curves(series: Sequence[Series], across: Axis, up: Axis, top: float, bottom: float) -> str:
    paths = []
    for each in series:
        segments = [
            [(_WIDTH * across.place(step), height(up, value, top, bottom)) for step, value in segment]
            for segment in each.curve.segments()
        ]
        lines = "".join(_path(segment) for segment in segments if len(segment) > 1)
        points = [point for segment in segments for point in segment]
        if each.role not in ("validation", "test") or len(points) > _MAX_DOTS:
            points = [segment[0] for segment in segments if len(segment) == 1]
        # A stroke of no length with round ends is a dot that the stretching leaves round.
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
        paths += [f'<path class="{kind} {each.role}" d="{d}"/>' for kind, d in (("line", lines), ("dots", dots)) if d]
    size = f'width="100%" height="{bottom}" viewBox="0 0 {_WIDTH} {bottom}"'
    return f'<svg {size} preserveAspectRatio="none" overflow="visible">{"".join(paths)}</svg>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    (x, y), *others = points
    return f"M{x:.1f} {y:.1f}L" + " ".join(f"{x:.1f} {y:.1f}" for x, y in others)


def _end_labels(series: Sequence[Series], up: Axis, top: float, bottom: float) -> list[str]:
    """Name the lines at their right end, moved apart where they would overlap."""
    ends = []
    for each in series:
        finite = each.curve.finite()
        if each.role != "raw" and finite:
            ends.append((height(up, finite[-1][1], top, bottom), f"{each.role} {number(finite[-1][1], digits=3)}"))
    ends.sort()
    heights: list[float] = []
    for y, _ in ends:
        heights.append(max(y, heights[-1] + _LABEL_GAP) if heights else y)
    overhang = max(0.0, heights[-1] - bottom) if heights else 0.0
    labels = zip(heights, ends, strict=True)
    return [word("end-label", "100%", y - overhang + 4, label, anchor="start", shift=8) for y, (_, label) in labels]


def _description(panel: Panel, measured: Iterable[Series], up: Axis | None) -> str:
    sentences = [f"{'Logarithmic' if up is not None and up.log else 'Linear'} value axis."]
    for series in measured:
        finite = series.curve.finite()
        if not finite:
            sentences.append(f"{series.name}: no finite value in {number(series.curve.total)} points.")
            continue
        (first, begin), (last, end) = finite[0], finite[-1]
        lowest, highest = min(finite, key=lambda point: point[1]), max(finite, key=lambda point: point[1])
        sentences.append(
            f"{series.name}: {number(begin)} at step {number(first)}, {number(end)} at step {number(last)}, "
            f"lowest {number(lowest[1])} at step {number(lowest[0])}, "
            f"highest {number(highest[1])} at step {number(highest[0])}."
        )
    sentences += [f"Dashed: {name} at {number(level)}." for name, level in panel.baselines]
    return " ".join(sentences)
