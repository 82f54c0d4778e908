"""A sick run beside its healed twin as one small SVG that stands alone: on a page, by day and by night."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trainwright.records import Severity
from trainwright.report.axes import Axis, axis_for, tick_labels
from trainwright.report.curves import Curve
from trainwright.report.numbers import number
from trainwright.report.safe import markup
from trainwright.report.signs import HEALTHY, SIGNS
from trainwright.report.wrapping import clip

_WIDTH, _HEIGHT = 480, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 414, 64, 240
_LABEL_GAP = 16
_TITLE = 62  # characters of a title that the width holds
_SICK = SIGNS["error"].color  # 3:1 or more on paper and on the dark sheet, as is the healed one's
_STYLE = f"""
.sheet {{ fill: #fffdf9 }} text {{ font: 13px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #5b5e55 }}
.title {{ font: 600 15px Georgia, "DejaVu Serif", serif; fill: #21241f }} .strong {{ fill: #21241f }}
.grid {{ stroke: #ebe5d8 }} .axis {{ stroke: #a9a496 }} path {{ fill: none; stroke-linejoin: round; stroke-width: 2.2 }}
.raw {{ stroke-width: 1; opacity: .4 }} .sick {{ stroke: {_SICK} }} .healed {{ stroke: {HEALTHY.color} }}
.halo {{ stroke: #fffdf9; stroke-width: 2 }}
@media (prefers-color-scheme: dark) {{
.sheet {{ fill: #182023 }} text {{ fill: #a5aa9f }} .title, .strong {{ fill: #e9e4d8 }}
.grid {{ stroke: #242e31 }} .axis {{ stroke: #566063 }} .halo {{ stroke: #182023 }}
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


def pair_svg(title: str, quantity: str, sick: Twin, healed: Twin, certain: Certain | None) -> str:
    """Return both runs by optimizer step, with a dot where the finding became certain. Raises `ValueError`: no number."""
    twins = (healed, sick)  # the sick one is drawn last, and so on top
    values = [value for twin in twins for curve in (twin.each, twin.main) for value in curve.values]
    up = axis_for(values, allow_log=True)
    if up is None:
        raise ValueError(f"{title}: no finite value of the {quantity} to draw")
    steps = [step for twin in twins for step in twin.each.steps]
    across = Axis(low=0, high=max(*steps, 1, certain.step if certain else 0))
    unit = quantity + (", logarithmic" if up.log else "")
    parts = [
        f'<rect class="sheet" width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>',
        _text("title", 16, 26, clip(title, _TITLE)),
        _text("", 16, 50, unit),
        *_grid(up, across),
        *(part for twin in twins for part in _lines(twin, across, up)),
        *_end_labels(twins, up),
        *_lost(sick, across, up),
        *(_dot(certain, sick.main, across, up) if certain else ()),
    ]
    head = f"<title>{markup(title)}</title><desc>{markup(_description(unit, sick, healed, certain))}</desc>"
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{head}\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


def _grid(up: Axis, across: Axis) -> list[str]:
    parts = []
    ticks = up.ticks(4)
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        y = _y(up, tick)
        parts.append(f'<path class="grid" style="stroke-width:1" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        parts.append(_text("", _LEFT - 7, y + 4.5, label, anchor="end"))
    parts.append(f'<path class="axis" style="stroke-width:1" d="M{_LEFT} {_BOTTOM}H{_RIGHT}"/>')
    for tick in across.ticks(4):
        if tick == round(tick):
            x = _x(across, tick)
            parts.append(f'<path class="axis" style="stroke-width:1" d="M{x:.1f} {_BOTTOM}v4"/>')
            parts.append(_text("", x, _BOTTOM + 18, number(round(tick)), anchor="middle"))
    parts.append(_text("", (_LEFT + _RIGHT) / 2, _BOTTOM + 38, "optimizer step", anchor="middle"))
    return parts


def _lines(twin: Twin, across: Axis, up: Axis) -> list[str]:
    curves = [("raw ", twin.each), ("", twin.mean)] if twin.mean is not None else [("", twin.each)]
    return [f'<path class="{style}{twin.name}" d="{_path(curve, across, up)}"/>' for style, curve in curves]


def _path(curve: Curve, across: Axis, up: Axis) -> str:
    drawn = []
    for segment in curve.segments():
        (x, y), *others = [(_x(across, step), _y(up, value)) for step, value in segment]
        drawn.append(f"M{x:.1f} {y:.1f}" + ("L" + " ".join(f"{x:.1f} {y:.1f}" for x, y in others) if others else "h.1"))
    return "".join(drawn)


def _end_labels(twins: tuple[Twin, Twin], up: Axis) -> list[str]:
    """Name the lines at their right end, moved apart where they would overlap."""
    ends = sorted((_y(up, twin.main.finite()[-1][1]), twin.name) for twin in twins if twin.main.finite())
    if len(ends) == 2 and ends[1][0] - ends[0][0] < _LABEL_GAP:
        middle = min((ends[0][0] + ends[1][0]) / 2, _BOTTOM - _LABEL_GAP / 2)
        ends = [(middle - _LABEL_GAP / 2, ends[0][1]), (middle + _LABEL_GAP / 2, ends[1][1])]
    return [_text("strong", _RIGHT + 7, y + 4.5, name) for y, name in ends]


def _lost(sick: Twin, across: Axis, up: Axis) -> list[str]:
    """Mark where the sick run's values cease to be numbers."""
    odd = [step for step, value in zip(sick.each.steps, sick.each.values, strict=True) if not math.isfinite(value)]
    if not odd:
        return []
    x = _x(across, odd[0])
    before = [value for step, value in sick.each.finite() if step < odd[0]]
    y = _y(up, before[-1]) if before else (_TOP + _BOTTOM) / 2
    anchor, shift = ("end", -9) if x > _RIGHT - 130 else ("start", 9)
    cross = f'<path class="sick" d="M{x - 5:.1f} {y - 5:.1f}l10 10m0-10l-10 10"/>'
    return [cross, _text("strong", x + shift, y - 9 if y > _TOP + 20 else y + 20, "no number from here", anchor=anchor)]


def _dot(certain: Certain, curve: Curve, across: Axis, up: Axis) -> list[str]:
    finite = curve.finite()
    height = min(finite, key=lambda point: abs(point[0] - certain.step))[1] if finite else up.low
    x, y = _x(across, certain.step), _y(up, height)
    sign = SIGNS[certain.severity]
    anchor, shift = ("end", -10) if x > _RIGHT - 80 else ("start", 10)
    above = y - 10 if y > _TOP + 24 else y + 22
    circle = f'<circle class="halo" cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{sign.color}"/>'
    return [circle, _text("strong", x + shift, above, certain.code, anchor=anchor)]


def _description(unit: str, sick: Twin, healed: Twin, certain: Certain | None) -> str:
    said = [f"{unit} by optimizer step."]
    for twin in (sick, healed):
        finite = twin.main.finite()
        if finite:
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
