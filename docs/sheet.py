"""A small drawing on axes, as SVG that stands alone: paper and ink by day, a dark sheet by night."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from trainwright.report.axes import Axis, tick_labels
from trainwright.report.safe import markup
from trainwright.report.signs import HEALTHY, SIGNS
from trainwright.report.wrapping import wrap

_STYLE = """
.sheet { fill: #fffdf9 } .line { stroke: #ddd6c6; fill: none }
text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #5b5e55 }
.title { font: 600 15px Georgia, "DejaVu Serif", serif; fill: #21241f } .strong { fill: #21241f }
.grid { stroke: #ebe5d8 } .axis { stroke: #a9a496 } .contour { stroke: #b89a6a; stroke-width: .8; fill: none }
.curve { fill: none; stroke-linejoin: round; stroke-linecap: round; stroke-width: 2.2 }
.ink { stroke: #21241f } .fill { fill: #21241f } .ring { fill: none; stroke: #21241f; stroke-width: 1.6 }
@media (prefers-color-scheme: dark) {
.sheet { fill: #182023 } .line { stroke: #323d40 } text { fill: #a5aa9f } .title, .strong { fill: #e9e4d8 }
.grid { stroke: #242e31 } .axis { stroke: #566063 } .contour { stroke: #7d8a6d }
.ink, .ring { stroke: #e9e4d8 } .fill { fill: #e9e4d8 }
}""".strip()

INK = "ink"
COLORS: Mapping[str, str] = MappingProxyType(
    {
        "sgd": "#E69F00",
        "momentum": "#009E73",
        "adam": "#CC79A7",
        "other": "#56B4E9",
        "fifth": "#B8A200",
        "sixth": "#D55E00",
        "train": "#0072B2",
        "validation": "#E69F00",
        "reference": INK,
        "healthy": HEALTHY.color,
        **{name: sign.color for name, sign in SIGNS.items()},
    }
)
"""The colours of the lab, of Okabe and Ito; the fifth is darkened to be seen on paper."""
_LABEL = 20
_ROW = 18


class Sheet:
    """A drawing of one size, to which lines and points are added in the units of its axes."""

    def __init__(self, title: str, *, width: int = 560, height: int = 300) -> None:
        self._title, self._width, self._height = title, width, height
        self._lines = wrap(title, (width - 32) // 8)
        self._left, self._right, self._bottom = 66, width - 18, height - 44
        self._top = 42 + _LABEL * len(self._lines)
        self._parts: list[str] = []
        self._legend: list[str] = []
        self._across, self._up = Axis(low=0, high=1), Axis(low=0, high=1)

    def axes(self, across: Axis, up: Axis, across_label: str, up_label: str) -> None:
        """Draw the axes, on which all that follows is placed."""
        self._across, self._up = across, up
        ticks = up.ticks(4)
        for tick, label in zip(ticks, tick_labels(ticks), strict=True):
            y = self._y(tick)
            self._parts.append(f'<path class="grid" d="M{self._left} {y:.1f}H{self._right}"/>')
            self.words(self._left - 7, y + 4, label, anchor="end")
        self._parts.append(f'<path class="axis" d="M{self._left} {self._bottom}H{self._right}"/>')
        ticks = across.ticks(5)
        for tick, label in zip(ticks, tick_labels(ticks), strict=True):
            x = self._x(tick)
            self._parts.append(f'<path class="axis" d="M{x:.1f} {self._bottom}v4"/>')
            self.words(x, self._bottom + 17, label, anchor="middle")
        self.words((self._left + self._right) / 2, self._bottom + 35, across_label, anchor="middle")
        self.words(16, self._top - 10, up_label)

    def words(self, x: float, y: float, text: str, *, anchor: str = "start", style: str = "") -> None:
        """Write at a place that is given in pixels."""
        named = f' class="{style}"' if style else ""
        moved = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text{named} x="{x:.1f}" y="{y:.1f}"{moved}>{markup(text)}</text>')

    def mark(self, x: float, y: float, sign: str, color: str) -> None:
        """Write a sign in its colour, at a place that is given in pixels."""
        paint = 'class="strong"' if color == INK else f'style="fill: {color}"'
        self._parts.append(f'<text {paint} x="{x:.1f}" y="{y:.1f}">{markup(sign)}</text>')

    def bars(self, across: Axis, rows: Sequence[tuple[str, float, float, float, str]]) -> None:
        """Draw intervals under one another: a name, its low end, value and high end, and a word beside it."""
        self._left, self._across = 160, across
        self._right = self._width - 80
        zero = self._x(0)
        self._parts.append(f'<path class="axis" d="M{zero:.1f} {self._top - 8}V{self._height - 14}"/>')
        for place, (name, low, value, high, verdict) in enumerate(rows):
            y = self._top + 12 + 34 * place
            color = COLORS["healthy" if low > 0 else "reference" if high > 0 else "error"]
            drawn = f"M{self._x(low):.1f} {y}H{self._x(high):.1f}"
            self._parts.append(f'<path {self._paint("curve", color)} d="{drawn}"/>')
            fill = 'class="fill"' if color == INK else f'fill="{color}"'
            self._parts.append(f'<circle {fill} cx="{self._x(value):.1f}" cy="{y}" r="5"/>')
            self.words(16, y + 4, name, style="strong")
            self.words(self._width - 16, y + 4, verdict, anchor="end")

    def line(
        self, xs: Sequence[float], ys: Sequence[float], color: str, *, dashed: bool = False, stepped: bool = False
    ) -> None:
        """Draw a curve; where a value is no number it is broken."""
        drawn, pen = [], "M"
        for x, y in zip(xs, ys, strict=True):
            if not (math.isfinite(x) and math.isfinite(y)):
                pen = "M"
                continue
            if stepped and pen == "L":
                drawn.append(f"H{self._x(x):.1f}")
            drawn.append(f"{pen}{self._x(x):.1f} {self._y(y):.1f}")
            pen = "L"
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(f'<path {self._paint("curve", color)}{dash} d="{"".join(drawn)}"/>')

    def dot(self, x: float, y: float, color: str, size: float, *, opacity: float = 1) -> None:
        """Draw a point."""
        if math.isfinite(x) and math.isfinite(y):
            fill = 'class="fill"' if color == INK else f'fill="{color}"'
            at = f'cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="{size:g}"'
            self._parts.append(f'<circle {fill} opacity="{opacity:g}" {at}/>')

    def ring(self, x: float, y: float) -> None:
        """Mark a place."""
        if math.isfinite(x) and math.isfinite(y):
            self._parts.append(f'<circle class="ring" cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="5"/>')

    def stem(self, x: float, y: float, color: str) -> None:
        """Draw a bar up from the axis."""
        paint = f'stroke="{color}" stroke-width="6"'
        self._parts.append(f'<path {paint} d="M{self._x(x):.1f} {self._bottom}V{self._y(y):.1f}"/>')

    def contour(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a piece of a line of equal height."""
        (x0, y0), (x1, y1) = ((self._x(x), self._y(y)) for x, y in (begin, end))
        self._parts.append(f'<path class="contour" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>')

    def legend(self, names: Sequence[tuple[str, str]]) -> None:
        """Name the curves under the drawing, in rows."""
        x, row = 16.0, 0
        for name, color in names:
            wide = 7.4 * len(name) + 42
            if x > 16 and x + wide > self._width:
                x, row = 16.0, row + 1
            y = self._height + 12 + _ROW * row
            self._legend.append(f'<path {self._paint("curve", color)} d="M{x:.0f} {y - 4}h18"/>')
            self._legend.append(f'<text class="strong" x="{x + 24:.0f}" y="{y}">{markup(name)}</text>')
            x += wide

    def svg(self, description: str) -> str:
        """Return the drawing; `description` is for those who do not see it."""
        rows = len({part.split(' y="')[1].split('"')[0] for part in self._legend if part.startswith("<text")})
        height = self._height + (_ROW * rows + 8 if rows else 0)
        head = f"<title>{markup(self._title)}</title><desc>{markup(description)}</desc>"
        size = f'viewBox="0 0 {self._width} {height}" width="{self._width}" height="{height}"'
        sheet = f'<rect class="sheet" width="{self._width}" height="{height}" rx="4"/>'
        title = [
            f'<text class="title" x="16" y="{26 + _LABEL * row}">{markup(line)}</text>'
            for row, line in enumerate(self._lines)
        ]
        body = "\n".join(itertools.chain([sheet], title, self._parts, self._legend))
        opened = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>'
        return f"{opened}{head}\n<style>{_STYLE}</style>\n{body}\n</svg>\n"

    @staticmethod
    def _paint(style: str, color: str) -> str:
        return f'class="{style} ink"' if color == INK else f'class="{style}" stroke="{color}"'

    def _x(self, value: float) -> float:
        return self._left + self._across.place(value) * (self._right - self._left)

    def _y(self, value: float) -> float:
        return self._bottom - self._up.place(value) * (self._bottom - self._top)
