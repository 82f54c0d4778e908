"""The learning-rate finder's answer in the terminal: the loss over the rate, the suggestion and its interval."""

from __future__ import annotations

import math

from trainwright.records.learning_rate import LearningRate, RatePoint
from trainwright.report.axes import Axis
from trainwright.report.braille import draw
from trainwright.report.curves import Curve
from trainwright.report.numbers import duration, number, plural
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, paint
from trainwright.report.wrapping import clip

_ROWS = 10
_MARGIN = 10
_MAX_COLUMNS = 90
_ABOVE = 0.1  # of what the loss has fallen by, above its start
_MARK, _SPAN = "▴", "─"


def render_rate(found: LearningRate, *, plot: bool = True, color: bool = False, width: int = 100) -> str:
    """Return the answer as text: the rate, its interval and what it rests on, and with `plot` the curve."""
    lines = [paint(_head(found), BOLD, color=color), *(f"  {line}" for line in _facts(found))]
    if plot:
        lines += ["", *_plot(found, color=color, width=width)]
    return "\n".join(lines)


def rate_line(found: LearningRate) -> str:
    """Return the answer in one line, for notes of a run."""
    if found.suggestion is None or found.interval is None:
        return f"no learning rate was found: {prose(found.reason)}"
    low, high = found.interval
    return f"learning rate {number(found.suggestion, digits=3)} was found, between {low:.2g} and {high:.2g}"


def _head(found: LearningRate) -> str:
    if found.suggestion is None:
        return f"no answer: {prose(found.reason)}"
    return f"learning rate {number(found.suggestion, digits=3)} for {prose(found.optimizer)}"


def _facts(found: LearningRate) -> list[str]:
    facts = []
    if found.interval is not None:
        low, high = found.interval
        repeats = "one repeat" if found.repeats == 1 else f"all {found.repeats} repeats"
        facts.append(f"interval: {low:.3g} to {high:.3g}, where {repeats} put it")
    if found.method == "array":
        planned = f" of {plural(found.planned_steps, 'planned step')}" if found.planned_steps else ""
        facts.append(f"{plural(len(found.curve), 'rate')} were tried for {plural(found.steps, 'step')}{planned} each")
        if found.tried_best is not None and found.steps < found.planned_steps:
            best, times = number(found.tried_best, digits=3), found.planned_steps / found.steps
            facts.append(f"{best} is best for so many; a run {times:.3g} times as long wants a lower one")
    else:
        facts.append(f"one training of {plural(found.steps, 'step')}, while the rate rises from step to step")
    facts.append(f"judged by {prose(found.judged_by)}; {number(found.loss_at_start)} at the start")
    if found.lane:
        facts.append(f"rows: {prose(found.lane)}")
    facts += [f"note: {prose(note)}" for note in found.notes]
    return [*facts, f"in {duration(found.seconds)}"]


def _plot(found: LearningRate, *, color: bool, width: int) -> list[str]:
    points = [point for point in found.curve if math.isfinite(point.loss)]
    if len(points) < 2:
        return ["  no finite losses to draw"]
    columns = max(20, min(width - _MARGIN - 2, _MAX_COLUMNS))
    low = min(point.loss for point in points)
    high = min(max(point.loss for point in points), shown_top(found))
    up = Axis(low=low, high=high if high > low else low + 1.0)
    across = Axis(low=math.log10(found.curve[0].rate), high=math.log10(found.curve[-1].rate))
    picture = draw(_curve(found.curve), across, up, columns=columns, rows=_ROWS)
    labels = [number(up.high, digits=3), *[""] * (_ROWS - 2), number(up.low, digits=3)]
    title = "loss over the learning rate, logarithmic axis"
    return [
        f"  {paint(clip(title, width - 2), DIM, color=color)}",
        *(f"{label:>{_MARGIN}} ┤{row}" for label, row in zip(labels, picture, strict=True)),
        f"{'':>{_MARGIN}} └{'─' * columns}",
        *_marks(found, across, columns),
        f"{'':>{_MARGIN}}  {_ticks(across, columns)}",
    ]


def shown_top(found: LearningRate) -> float:
    """Return up to where the losses are drawn: far above their start, they would press the rest flat."""
    losses = [point.loss for point in found.curve if math.isfinite(point.loss)]
    start = found.loss_at_start
    if not math.isfinite(start) or not losses:
        return math.inf
    return start + _ABOVE * (start - min(losses)) if min(losses) < start else max(losses)


def _curve(points: tuple[RatePoint, ...]) -> Curve:
    return Curve(
        steps=tuple(math.log10(point.rate) for point in points),  # type: ignore[arg-type]
        values=tuple(point.loss for point in points),
        total=len(points),
    )


def _marks(found: LearningRate, across: Axis, columns: int) -> list[str]:
    """Return one line with the suggestion under the curve, and its interval to both sides."""
    if found.suggestion is None or found.interval is None:
        return []
    low, high, place = (
        round(across.place(math.log10(rate)) * (columns - 1)) for rate in (*found.interval, found.suggestion)
    )
    cells = [_SPAN if low <= cell <= high else " " for cell in range(columns)]
    cells[place] = _MARK
    return [f"{'':>{_MARGIN}}  {''.join(cells).rstrip()}"]


def _ticks(across: Axis, columns: int) -> str:
    cells = [" "] * columns
    for exponent in range(math.ceil(across.low), math.floor(across.high) + 1):
        label = f"1e{exponent}"
        place = min(round(across.place(exponent) * (columns - 1)), columns - len(label))
        if all(cell == " " for cell in cells[max(place - 1, 0) : place + len(label)]):
            cells[place : place + len(label)] = label
    return "".join(cells).rstrip()
