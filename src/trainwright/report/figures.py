"""The plots of a run as HTML figures: legend, drawing, a lane of numbered findings, and the numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Chart, Finding, RunInfo
from trainwright.report.axes import Axis
from trainwright.report.curves import decimate
from trainwright.report.numbers import number, plural
from trainwright.report.panels import Panel, Series, build_panels
from trainwright.report.plots import Pin, plot_svg
from trainwright.report.safe import markup, prose
from trainwright.report.signs import SIGNS
from trainwright.report.tables import html_table

_TWIN_ROWS = 40
_LANES = 4
_PIN_ROOM = 0.11
"""The share of the step axis that a pin takes on the narrowest screen."""


def figures_html(info: RunInfo, chart: Chart, ordered: Sequence[Finding]) -> str:
    """Return all figures of a run, on one step axis. `ordered` are the findings as their cards are numbered."""
    panels = build_panels(info, chart)
    if not panels:
        return '<p class="quiet">No optimizer step and no evaluation was recorded, so there is nothing to draw.</p>'
    across = step_axis(chart)
    pins = [
        Pin(number=index, severity=finding.severity, step=finding.step, title=finding.title)
        for index, finding in enumerate(ordered, start=1)
        if finding.step is not None and across.low <= finding.step <= across.high
    ]
    return "\n".join(_figure(panel, across, pins) for panel in panels)


def step_axis(chart: Chart) -> Axis:
    """Return the axis that all plots of a run share: from its first step, or zero if that is near, to its last."""
    steps = [record.step for records in (chart.steps[:1], chart.steps[-1:], chart.evals) for record in records]
    first, last = min(steps), max(steps)
    low = 0 if first <= 0.1 * last else first
    return Axis(low=low, high=max(last, low + 1))


def _figure(panel: Panel, across: Axis, pins: Sequence[Pin]) -> str:
    measured = [series for series in panel.series if not series.derived]
    notes = "".join(f'<p class="remark">{markup(note)}</p>' for series in measured for note in _notes(series))
    legend = "".join(f'<li class="{series.role}">{markup(series.name)}</li>' for series in panel.series)
    return (
        f'<figure id="chart-{panel.key}"><figcaption><h3>{markup(panel.title)}</h3>'
        f'<ul class="legend">{legend}</ul></figcaption>'
        f'<div class="frame">{plot_svg(panel, across, pins)}{_lane(pins, across)}</div>'
        f"{notes}<details><summary>Numbers</summary>{_twin(panel, measured)}</details></figure>"
    )


def _notes(series: Series) -> list[str]:
    curve = series.curve
    notes = []
    if curve.decimated:
        shown = f"showing {number(len(curve.steps))} of {number(curve.total)} points, extremes kept"
        notes.append(f"{series.name}: {shown}")
    odd = [f"{number(count)} {word}" for count, word in ((curve.nan, "NaN"), (curve.infinite, "infinite")) if count]
    if odd:
        notes.append(f"{series.name}: {' and '.join(odd)} of {number(curve.total)} values, marked × above the plot")
    return notes


def _lane(pins: Sequence[Pin], across: Axis) -> str:
    """Return the pins below a plot; those that would overlap go to further rows, as far as there is room."""
    ends: list[float] = []
    links = []
    for pin in sorted(pins, key=lambda pin: (pin.step, pin.number)):
        place = across.place(pin.step)
        row = next((index for index, end in enumerate(ends) if end <= place), len(ends))
        if row == _LANES:
            continue
        ends[row : row + 1] = [place + _PIN_ROOM]
        links.append(_pin(pin, place, row))
    if not links:
        return ""
    left_out = len(pins) - len(links)
    more = f'<p class="remark">{plural(left_out, "more finding")} not drawn for lack of room</p>' if left_out else ""
    return f'<div class="lane" style="--rows:{len(ends)}">{"".join(links)}</div>{more}'


def _pin(pin: Pin, place: float, row: int) -> str:
    label = markup(f"finding {pin.number}, {pin.severity} at step {number(pin.step)}: {prose(pin.title)}")
    style = f"left:{100 * place:.2f}%;--row:{row}"
    return (
        f'<a class="pin {pin.severity}" href="#finding-{pin.number}" style="{style}" aria-label="{label}" '
        f'title="{label}"><span class="shape">{SIGNS[pin.severity].shape}</span>{pin.number}</a>'
    )


def _twin(panel: Panel, measured: Sequence[Series]) -> str:
    rows: dict[float, dict[str, float]] = {}
    for series in measured:
        few = decimate(series.curve.steps, series.curve.values, _TWIN_ROWS // len(measured))
        for step, value in zip(few.steps, few.values, strict=True):
            rows.setdefault(step, {})[series.name] = value
    names = [series.name for series in measured]
    body = [
        [number(step), *(number(values[name]) if name in values else "" for name in names)]
        for step, values in sorted(rows.items())
    ]
    return html_table(["step", *names], body, caption=f"{panel.title}, extremes kept", numeric=range(len(names) + 1))
