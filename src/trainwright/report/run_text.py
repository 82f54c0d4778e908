"""The parts of a run's text report: its head, the table of best values, and the loss curve."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Chart, Finding, Outcome, RunInfo, column
from trainwright.records.findings import SEVERITIES
from trainwright.report.axes import Axis, axis_for, lost_cells
from trainwright.report.braille import draw
from trainwright.report.curves import Curve, decimate
from trainwright.report.numbers import number
from trainwright.report.safe import prose
from trainwright.report.signs import DIM, SIGNS, paint
from trainwright.report.summary import (
    beside,
    best_values,
    head_facts,
    ledger_phrase,
    repairs_told,
    steps_phrase,
    time_phrase,
)
from trainwright.report.wrapping import clip, display_width, wrap

_ROWS = 7
_MARGIN = 9
_MAX_COLUMNS = 80
_LANE = "  findings"
_MOST_REPAIRS = 10


def head_lines(info: RunInfo, outcome: Outcome | None, chart: Chart, *, color: bool, width: int) -> list[str]:
    """Return what the run was and how far it came, one fact on each line."""
    facts = [*head_facts(info), ("steps", steps_phrase(info, outcome, chart))]
    facts.append(("updates", ledger_phrase(outcome, chart)))
    if outcome is not None and outcome.best_step is not None:
        facts.append(("best step", number(outcome.best_step)))
    facts.append(("time", time_phrase(outcome, chart)))
    if outcome is not None:
        facts.append(("ended", ": ".join(filter(None, (outcome.status, prose(outcome.reason))))))
    room = max(width - 14, 20)
    return [f"  {paint(f'{name:<10}', DIM, color=color)}  {clip(value, room)}" for name, value in facts if value]


def best_table(info: RunInfo, outcome: Outcome | None, chart: Chart, *, color: bool) -> list[str]:
    """Return loss and metric of the best model on each split, numbers aligned at the right."""
    best = best_values(outcome, chart)
    names = list(dict.fromkeys(name for values in best.values() for name in values))
    if not names:
        return []
    rows = [["best", *(prose(name) for name in names)]]
    for split, values in best.items():
        rows.append([split, *(number(values[name]) if name in values else "–" for name in names)])
    for label, values in beside(info).items():
        rows.append([label, *(number(values[name]) if name in values else "–" for name in names)])
    widths = [max(display_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        numbers = "".join(f"   {cell:>{size}}" for cell, size in zip(row[1:], widths[1:], strict=True))
        lines.append(f"  {row[0]:<{max(widths[0], 10)}}{numbers}")
    return [paint(lines[0], DIM, color=color), *lines[1:]]


def repair_lines(chart: Chart, *, color: bool, width: int) -> list[str]:
    """Return what was done to put the run right, or would have been, a paragraph for each step where it was."""
    told = repairs_told(chart)
    lines = [f"  {paint('repairs', DIM, color=color)}"] if told else []
    for step, text in told[:_MOST_REPAIRS]:
        first, *rest = wrap(f"step {step:,}: {text}", max(width - 4, 20))
        lines += [f"  {first}", *(f"    {line}" for line in rest)]
    return [*lines, f"  and {len(told) - _MOST_REPAIRS} more"] if len(told) > _MOST_REPAIRS else lines


def loss_curve(chart: Chart, findings: Sequence[Finding], *, color: bool, width: int) -> list[str]:
    """Return the training loss as a braille curve, with a lane of signs where the findings became certain."""
    if len(chart.steps) < 2:
        return []
    columns = max(20, min(width - _MARGIN - 2 - len(_LANE), _MAX_COLUMNS))
    steps = column(chart.steps, "step")
    curve = decimate(steps, column(chart.steps, "loss"), limit=8 * columns)
    across = Axis(low=steps[0], high=max(steps[-1], steps[0] + 1))
    up = axis_for(curve.values, allow_log=True)
    finite = [value for _, value in curve.finite()]
    if up is not None and min(finite) < max(finite):
        # Without padding: here the ends of the axis are the only numbers, and they should be true ones.
        up = Axis(low=min(finite), high=max(finite), log=up.log)
    title = "training loss, each step" + (", logarithmic" if up is not None and up.log else "")
    lost = curve.nan + curve.infinite
    if lost:
        title += f"; {number(lost)} of {number(curve.total)} not finite (×)"
    lines = [f"  {paint(clip(title, width - 2), DIM, color=color)}"]
    if lost:
        lines.append(f"{'':>{_MARGIN}} ┆{_gutter(curve, across, columns)}")
    if up is not None:
        picture = draw(curve, across, up, columns=columns, rows=_ROWS)
        labels = [number(up.high), *[""] * (_ROWS - 2), number(up.low)]
        lines += [f"{label:>{_MARGIN}} ┤{row}" for label, row in zip(labels, picture, strict=True)]
    first, last = number(steps[0]), number(steps[-1])
    lines.append(f"{'':>{_MARGIN}} └{'─' * columns}")
    lines.append(f"{'':>{_MARGIN}}  {first}{last:>{columns - len(first)}} step".rstrip())
    lane = _lane(findings, across, columns, color=color)
    return [*lines, f"{'':>{_MARGIN}}  {lane}{_LANE}"] if lane else lines


def _gutter(curve: Curve, across: Axis, columns: int) -> str:
    lost = lost_cells(curve, across, columns - 1)
    return "".join("×" if cell in lost else " " for cell in range(columns)).rstrip()


def _lane(findings: Sequence[Finding], across: Axis, columns: int, *, color: bool) -> str:
    cells = [" "] * columns
    # Mildest first, so that the worst of those that share a cell is the one seen.
    for severity in reversed(SEVERITIES):
        sign = SIGNS[severity]
        for finding in findings:
            if finding.severity == severity and finding.step is not None:
                cells[_cell(across, finding.step, columns)] = paint(sign.shape, sign.ansi, color=color)
    lane = "".join(cells)
    return lane if lane.strip() else ""


def _cell(across: Axis, step: float, columns: int) -> int:
    return round(across.place(step) * (columns - 1))
