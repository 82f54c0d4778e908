"""A sick run beside its healed twin as one small SVG that stands alone: on a page, by day and by night."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trainwright.records import Severity
from trainwright.report.axes import Axis, axis_for, tick_labels
from trainwright.report.curves import Curve
from trainwright.report.numbers import number
from trainwright.report.pair_labels import Frame, Point, place_label
from trainwright.report.safe import markup
from trainwright.report.signs import HEALTHY, SIGNS
from trainwright.report.wrapping import wrap

_WIDTH, _HEIGHT = 480, 290
_MARGIN = 1.25
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 414, 64, 240
_MIDDLE = (_TOP + _BOTTOM) / 2
_LABEL_GAP = 16
_SAME_PLACE = 20
_TITLE, _LINE = 50, 20  # characters of a title that the width holds, and the height of a line of it
_STEP = "optimizer step"
_LOG = ", logarithmic"
_SICK = SIGNS["error"].color  # 3:1 or more on paper and on the dark sheet, as is the healed one's
_STYLE = f"""
.sheet {{ fill: #fffdf9 }}
text {{ font: 13px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #5b5e55 }}
.title {{ font: 600 15px Georgia, "DejaVu Serif", serif; fill: #21241f }} .strong {{ fill: #21241f }}
.grid {{ stroke: #ebe5d8 }} .axis {{ stroke: #a9a496 }}
path {{ fill: none; stroke-linejoin: round; stroke-linecap: round; stroke-width: 2.2 }}
.raw {{ stroke-width: 1; opacity: .4 }} .sick {{ stroke: {_SICK} }} .healed {{ stroke: {HEALTHY.color} }}
.halo {{ stroke: #fffdf9; stroke-width: 2 }}
text.strong {{ stroke: #fffdf9; stroke-width: 4px; stroke-linejoin: round; paint-order: stroke }}
@media (prefers-color-scheme: dark) {{
.sheet {{ fill: #182023 }} text {{ fill: #a5aa9f }} .title, .strong {{ fill: #e9e4d8 }}
.grid {{ stroke: #242e31 }} .axis {{ stroke: #566063 }} .halo, text.strong {{ stroke: #182023 }}
}}""".strip()

Name = Literal["sick", "healed"]


@dataclass(frozen=True, kw_only=True)
class Twin:
    """One of the two runs. `each` is what every step gave, `mean` the same smoothed, None where that hides nothing."""

    name: Name
    each: Curve
    mean: Curve | None = None

    @property
    def main(self) -> Curve:
        """The curve that the eye is to follow."""
        return self.each if self.mean is None else self.mean


@dataclass(frozen=True, kw_only=True)
class Certain:
    """When a finding became certain in the sick run."""

    code: str
    severity: Severity
    step: int


def pair_svg(
    title: str,
    quantity: str,
    sick: Twin,
    healed: Twin,
    certain: Certain | None,
    *,
    allow_log: bool = True,
    by: str = _STEP,
    dots: bool = False,
) -> str:
    """Return both runs by step, with a dot where the finding became certain; `allow_log` as for `axis_for`.

    `by` names what goes across in place of the steps, logarithmic where it ends in that word; with `dots` the points
    are not joined. Raises `ValueError` where neither run has a number to draw.
    """
    twins = (healed, sick)  # the sick one is drawn last, and so on top
    values = [value for twin in twins for curve in (twin.each, twin.main) for value in curve.values]
    up = axis_for(values, allow_log=allow_log)
    if up is None:
        raise ValueError(f"{title}: no finite value of the {quantity} to draw")
    across = _across(by, [step for twin in twins for step in twin.each.steps], certain)
    unit = quantity + (", logarithmic" if up.log else "")
    parts = [
        _text("", 16, 50, unit),
        *_grid(up, across, by, whole=all(step == round(step) for twin in twins for step in twin.each.steps)),
        *(part for twin in twins for part in (_dots if dots else _lines)(twin, across, up)),
        *_end_labels(twins, across, up),
        *_marks(twins, across, up, certain),
    ]
    first, *others = wrap(title, _TITLE)
    above = [_text("title", 16, 26 + _LINE * place, line) for place, line in enumerate((first, *others))]
    lower = _LINE * len(others)
    height = _HEIGHT + lower
    told = _description(f"{unit} by {by}", sick, healed, certain, dots=dots)
    head = f"<title>{markup(title)}</title><desc>{markup(told)}</desc>"
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    sheet = f'<rect class="sheet" width="{_WIDTH}" height="{height}" rx="4"/>'
    body = "\n".join([sheet, *above, f'<g transform="translate(0 {lower})">', *parts, "</g>"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{head}\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


def _across(by: str, values: list[float], certain: Certain | None) -> Axis:
    if by == _STEP:
        return Axis(low=0, high=max(*values, 1, certain.step if certain else 0))
    if by.endswith(_LOG):
        return Axis(low=min(values) / _MARGIN, high=max(values) * _MARGIN, log=True)
    return axis_for(values, allow_log=False) or Axis(low=0, high=1)


def _grid(up: Axis, across: Axis, by: str, *, whole: bool) -> list[str]:
    parts = []
    ticks = up.ticks(4)
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        y = _y(up, tick)
        parts.append(f'<path class="grid" style="stroke-width:1" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        parts.append(_text("", _LEFT - 7, y + 4.5, label, anchor="end"))
    parts.append(f'<path class="axis" style="stroke-width:1" d="M{_LEFT} {_BOTTOM}H{_RIGHT}"/>')
    ticks = [tick for tick in across.ticks(4) if tick == round(tick) or not whole]
    words = [number(round(tick)) for tick in ticks] if whole else tick_labels(ticks)
    for tick, label in zip(ticks, words, strict=True):
        x = _x(across, tick)
        parts.append(f'<path class="axis" style="stroke-width:1" d="M{x:.1f} {_BOTTOM}v4"/>')
        parts.append(_text("", x, _BOTTOM + 18, label, anchor="middle"))
    parts.append(_text("", (_LEFT + _RIGHT) / 2, _BOTTOM + 38, by, anchor="middle"))
    return parts


def _dots(twin: Twin, across: Axis, up: Axis) -> list[str]:
    """Draw the points of the healed twin as rings, in which those of the sick one can lie."""
    ring = twin.name == "healed"
    drawn = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4 if ring else 2.4}"/>'
        for stretch in _points(twin.each, across, up)
        for x, y in stretch
    )
    paint = f'fill="none" stroke="{HEALTHY.color}" stroke-width="1.4"' if ring else f'fill="{_SICK}"'
    return [f"<g {paint}>{drawn}</g>"]


def _lines(twin: Twin, across: Axis, up: Axis) -> list[str]:
    curves = [("raw ", twin.each), ("", twin.mean)] if twin.mean is not None else [("", twin.each)]
    return [f'<path class="{style}{twin.name}" d="{_path(curve, across, up)}"/>' for style, curve in curves]


def _path(curve: Curve, across: Axis, up: Axis) -> str:
    drawn = []
    for (x, y), *others in _points(curve, across, up):
        drawn.append(f"M{x:.1f} {y:.1f}" + ("L" + " ".join(f"{x:.1f} {y:.1f}" for x, y in others) if others else "h0"))
    return "".join(drawn)


def _points(curve: Curve, across: Axis, up: Axis) -> list[list[Point]]:
    """Return the unbroken stretches of a curve, in pixels."""
    return [[(_x(across, step), _y(up, value)) for step, value in segment] for segment in curve.segments()]


def _end_labels(twins: tuple[Twin, Twin], across: Axis, up: Axis) -> list[str]:
    """Name the lines at their right end, moved apart where they would overlap."""
    ends = []
    for twin in twins:
        if twin.main.finite() and _first_lost(twin) is None:  # what is lost is named where that happens
            step, value = twin.main.finite()[-1]
            ends.append((_y(up, value), _x(across, step), twin.name))
    ends.sort()
    heights = [y for y, _, _ in ends]
    if len(ends) == 2 and heights[1] - heights[0] < _LABEL_GAP:
        middle = min(sum(heights) / 2, _BOTTOM - _LABEL_GAP / 2)
        heights = [middle - _LABEL_GAP / 2, middle + _LABEL_GAP / 2]
    return [_text("strong", x + 11, y + 4.5, name) for y, (_, x, name) in zip(heights, ends, strict=True)]


def _marks(twins: tuple[Twin, Twin], across: Axis, up: Axis, certain: Certain | None) -> list[str]:
    """Mark where the sick run's values cease to be numbers, and where the finding became certain."""
    sick = twins[-1]
    curves = [stretch for twin in twins for stretch in _points(twin.main, across, up)]
    lost, finite, parts = _first_lost(sick), sick.main.finite(), []
    words = f"{sick.name}: no number from here"
    at, y = 0.0, _MIDDLE
    if lost is not None:
        before = [value for step, value in sick.each.finite() if step < lost]
        at, y = _x(across, lost), _y(up, before[-1]) if before else _MIDDLE
    if certain is not None:
        near = min(finite, key=lambda point: abs(point[0] - certain.step))[1] if finite else None
        x, height = _x(across, certain.step), y if near is None else _y(up, near)
        same = lost is not None and math.hypot(x - at, height - y) < _SAME_PLACE  # then one word for both
        color = SIGNS[certain.severity].color
        parts.append(f'<circle class="halo" cx="{x:.1f}" cy="{height:.1f}" r="6" fill="{color}"/>')
        parts.append(_beside(f"{certain.code}; {words}" if same else certain.code, x, height, curves))
        if same:
            return parts
    if lost is not None:
        parts.append(f'<path class="sick" d="M{at - 5:.1f} {y - 5:.1f}l10 10m0-10l-10 10"/>')
        parts.append(_beside(words, at, y, curves))
    return parts


def _first_lost(twin: Twin) -> float | None:
    """Return the step from which the values are no numbers any more, None where the last one is a number."""
    finite = [step for step, value in zip(twin.each.steps, twin.each.values, strict=True) if math.isfinite(value)]
    after = [step for step in twin.each.steps if not finite or step > finite[-1]]
    return after[0] if after else None


def _beside(text: str, x: float, y: float, curves: list[list[Point]]) -> str:
    frame = Frame(left=_LEFT, right=_WIDTH - 6, top=_TOP - 8, bottom=_BOTTOM)
    (at, height), anchor = place_label(text, x, y, frame, curves)
    return _text("strong", at, height, text, anchor=anchor)


def _description(what: str, sick: Twin, healed: Twin, certain: Certain | None, *, dots: bool) -> str:
    said = [f"{what}."]
    for twin in (sick, healed):
        finite = twin.main.finite()
        values = [value for _, value in finite]
        if finite and dots:
            said.append(f"{twin.name}: {len(values)} points from {number(min(values))} to {number(max(values))}.")
        elif finite:
            said.append(f"{twin.name}: {number(finite[0][1])} at first, {number(finite[-1][1])} at last.")
    if certain is not None:
        said.append(f"{certain.code} is certain at step {number(certain.step)}.")
    return " ".join(said)


def _x(across: Axis, step: float) -> float:
    return _LEFT + across.place(step) * (_RIGHT - _LEFT)


def _y(up: Axis, value: float) -> float:
    return _BOTTOM - up.place(value) * (_BOTTOM - _TOP)


def _text(style: str, x: float, y: float, text: str, *, anchor: str = "start") -> str:
    named = f' class="{style}"' if style else ""
    moved = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{named} x="{x:.1f}" y="{y:.1f}"{moved}>{markup(text)}</text>'
