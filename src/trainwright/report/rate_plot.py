"""The learning-rate finder's curve on the page of a run: the loss over the rate, the suggestion and its interval."""

from __future__ import annotations

import math

from trainwright.records import Chart, LearningRate
from trainwright.report.axes import Axis, axis_for, tick_labels
from trainwright.report.numbers import number
from trainwright.report.rate_text import shown_top
from trainwright.report.safe import markup, prose

_WIDTH, _TALL, _FOOT = 1000, 250, 22  # as in the other plots: a box that is stretched to the sheet, heights in pixels


def rate_section(chart: Chart) -> str:
    """Return what the finder said before the run as HTML, "" where it was not asked or cannot be read."""
    found = asked_rate(chart)
    if found is None:
        return ""
    said = next(str(event.detail.get("text", "")) for event in chart.events if event.name == "learning-rate")
    return f"<p>{markup(prose(said))}</p><figure>{rate_svg(found)}</figure>"


def asked_rate(chart: Chart) -> LearningRate | None:
    """Return what the finder said before the run, None where it was not asked or cannot be read."""
    for event in chart.events:
        if event.name == "learning-rate":
            try:
                return LearningRate.of(event.detail)
            except (ValueError, TypeError, KeyError, AttributeError):  # nobody has checked this part of the folder
                return None
    return None


def rate_svg(found: LearningRate) -> str:
    """Return the loss over the rate as an `<svg>`: a point for each rate, the interval shaded, the best dashed."""
    points = [(math.log10(point.rate), point.loss) for point in found.curve if math.isfinite(point.loss)]
    top = shown_top(found)
    up = axis_for([min(loss, top) for _, loss in points], allow_log=True)
    if up is None or len(points) < 2:
        return "<p>no finite losses to draw</p>"
    across = Axis(low=points[0][0], high=max(points[-1][0], points[0][0] + 1e-9))
    parts = _interval(found, across)
    for tick, label in zip(ticks := up.ticks(5), tick_labels(ticks), strict=True):
        y = _TALL * (1 - up.place(tick))
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="0" dx="-8" y="{y + 4:.1f}" text-anchor="end">{markup(label)}</text>')
    for exponent in range(math.ceil(across.low), math.floor(across.high) + 1):
        x = f"{100 * across.place(exponent):.2f}%"
        parts.append(f'<text class="tick" x="{x}" y="{_TALL + 18}" text-anchor="middle">1e{exponent}</text>')
    places = [(_WIDTH * across.place(x), _TALL * (1 - up.place(loss))) for x, loss in points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)
    parts.append(
        f'<svg width="100%" height="{_TALL}" viewBox="0 0 {_WIDTH} {_TALL}" preserveAspectRatio="none" '
        f'overflow="visible"><path class="line raw" d="{path}"/><path class="dots" d="{dots}"/></svg>'
    )
    title = '<title id="rate-title">Loss over the learning rate</title>'
    return (
        f'<svg class="plot" role="img" aria-labelledby="rate-title rate-desc" height="{_TALL + _FOOT}">{title}'
        f'<desc id="rate-desc">{markup(_description(found))}</desc>{"".join(parts)}</svg>'
    )


def _interval(found: LearningRate, across: Axis) -> list[str]:
    if found.suggestion is None or found.interval is None:
        return []
    low, high, best = (100 * across.place(math.log10(rate)) for rate in (*found.interval, found.suggestion))
    label = markup(number(found.suggestion, digits=3))
    return [
        f'<rect class="gutter" x="{low:.2f}%" width="{high - low:.2f}%" y="0" height="{_TALL}"/>',
        f'<line class="baseline" x1="{best:.2f}%" x2="{best:.2f}%" y1="0" y2="{_TALL}"/>',
        f'<text class="baseline-label" x="{best:.2f}%" dx="6" y="14">{label}</text>',
    ]


def _description(found: LearningRate) -> str:
    if found.suggestion is None or found.interval is None:
        return f"No answer: {prose(found.reason)}."
    low, high = found.interval
    return f"Logarithmic rate axis. Suggested: {found.suggestion:.3g}; interval {low:.3g} to {high:.3g}."
