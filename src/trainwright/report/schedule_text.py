"""A schedule in the terminal, before or after a run: the rate over the steps, and its numbers at the telling places."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainwright.report.axes import Axis
from trainwright.report.braille import draw
from trainwright.report.curves import decimate
from trainwright.report.numbers import number, percent, plural
from trainwright.report.safe import prose
from trainwright.report.signs import DIM, paint
from trainwright.report.wrapping import clip, display_width

_ROWS, _MOMENTUM_ROWS = 8, 4
_MARGIN = 10
_MAX_COLUMNS = 100
_MARK = "▴"
_FAR_BELOW = 0.01
_LOG_SHARE = 0.1


def render_schedule(
    rates: Sequence[float],
    *,
    momentum: Sequence[float] | None = None,
    steps_per_epoch: int | None = None,
    marks: Sequence[tuple[int, str]] = (),
    color: bool = False,
    width: int = 100,
) -> str:
    """Return the rate of every step as a curve, the momentum below it where it moves, and a table of both.

    `rates` and `momentum` hold one number for each step, from step 0; `marks` are (step, what happens there), such as
    (150, "warmup ends"), and get rows in the table beside the first step, the quarters and the last. The axis is
    logarithmic where the rate spends a tenth of the run more than two decades below its peak: a cosine, which passes
    many decades in its last few steps alone, keeps its shape. Numbers that are not finite leave a gap and stay what
    they are in the table. Lines are at most `width` columns wide, and at least some 40.
    """
    if not rates:
        return "  no steps, and so no rate"
    columns = max(20, min(width - _MARGIN - 2, _MAX_COLUMNS))
    across = Axis(low=0, high=max(len(rates) - 1, 1))
    log = _is_wide(rates)
    title = f"learning rate over {plural(len(rates), 'step')}{', logarithmic axis' if log else ''}"
    blocks = [
        [f"  {paint(clip(title, width - 2), DIM, color=color)}"],
        _plot(rates, _rate_axis(rates, log=log), across, columns, _ROWS),
        _step_axis(len(rates), marks, across, columns),
    ]
    moving = momentum if momentum is not None and _moves(momentum) else None
    if moving is not None:
        finite = [value for value in moving if math.isfinite(value)]
        low, high = min(finite), max(finite)
        blocks.append([f"  {paint('momentum', DIM, color=color)}"])
        blocks.append(_plot(moving, Axis(low=low, high=high), across, columns, _MOMENTUM_ROWS))
        blocks.append(_step_axis(len(rates), (), across, columns))
    blocks += [[""], _table(rates, moving, steps_per_epoch, marks, color=color, width=width)]
    return "\n".join(line for block in blocks for line in block)


def _is_wide(rates: Sequence[float]) -> bool:
    finite = [rate for rate in rates if math.isfinite(rate)]
    low = sum(0 < rate < _FAR_BELOW * max(finite) for rate in finite)
    return low >= _LOG_SHARE * len(rates)


def _rate_axis(rates: Sequence[float], *, log: bool) -> Axis | None:
    finite = [rate for rate in rates if math.isfinite(rate)]
    if not finite:
        return None
    if log:
        return Axis(low=min(rate for rate in finite if rate > 0), high=max(finite), log=True)
    # From zero: a rate that falls by a tenth must not look like one that falls to nothing.
    low, high = min(0.0, *finite), max(0.0, *finite)
    return Axis(low=low, high=high if high > low else 1.0)


def _moves(values: Sequence[float]) -> bool:
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and max(finite) > min(finite)


def _plot(values: Sequence[float], up: Axis | None, across: Axis, columns: int, rows: int) -> list[str]:
    if up is None:
        return [f"{'':>{_MARGIN}} ┤ no finite value"]
    curve = decimate(range(len(values)), values, limit=8 * columns)
    picture = draw(curve, across, up, columns=columns, rows=rows)
    labels = [number(up.high, digits=3), *[""] * (rows - 2), number(up.low, digits=3)]
    return [f"{label:>{_MARGIN}} ┤{row}" for label, row in zip(labels, picture, strict=True)]


def _step_axis(steps: int, marks: Sequence[tuple[int, str]], across: Axis, columns: int) -> list[str]:
    last = number(steps - 1)
    lane = _lane(marks, across, columns)
    return [
        f"{'':>{_MARGIN}} └{'─' * columns}",
        *([f"{'':>{_MARGIN}}  {lane}"] if lane else []),
        f"{'':>{_MARGIN}}  0{last:>{columns - 1}}" if steps > 1 else f"{'':>{_MARGIN}}  0",
    ]


def _lane(marks: Sequence[tuple[int, str]], across: Axis, columns: int) -> str:
    """Return one line with a sign under each mark, and its words where they fit before the next one."""
    cells = [" "] * columns
    places: dict[int, str] = {}
    for step, text in sorted(marks):
        places.setdefault(round(across.place(step) * (columns - 1)), prose(text))
    ends = [*list(places)[1:], columns + 1]
    for (cell, text), following in zip(places.items(), ends, strict=False):
        cells[cell] = _MARK
        if text.isascii() and len(text) + 2 < following - cell:
            cells[cell + 1 : cell + 1 + len(text)] = text
    return "".join(cells).rstrip()


def _table(
    rates: Sequence[float],
    momentum: Sequence[float] | None,
    steps_per_epoch: int | None,
    marks: Sequence[tuple[int, str]],
    *,
    color: bool,
    width: int,
) -> list[str]:
    columns = ["step", "epoch", "of the run", "rate", "momentum"]
    rows = []
    for step, words in _places(len(rates), marks):
        epoch = f"{step / steps_per_epoch:,.2f}" if steps_per_epoch else ""
        moved = number(momentum[step]) if momentum is not None else ""
        share = percent(step / len(rates))
        rows.append([f"{step:,}", epoch, share, number(rates[step]), moved, words])
    shown = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    sizes = {place: max(display_width(row[place]) for row in [columns, *rows]) for place in shown}
    lines = []
    for row in [[*columns, ""], *rows]:
        cells = "   ".join(f"{row[place]:>{sizes[place]}}" for place in shown)
        lines.append(clip(f"  {cells}   {row[-1]}".rstrip(), width))
    return [paint(lines[0], DIM, color=color), *lines[1:]]


def _places(steps: int, marks: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the steps that get a row, in order, each once, with all that is to be said of it."""
    quarters = [(steps // 4, "a quarter"), (steps // 2, "half"), (3 * steps // 4, "three quarters")]
    named: dict[int, list[str]] = {}
    for step, words in [(0, "first"), *marks, *(quarters if steps >= 8 else ()), (steps - 1, "last")]:
        if 0 <= step < steps:
            named.setdefault(step, []).append(prose(words))
    return [(step, ", ".join(dict.fromkeys(named[step]))) for step in sorted(named)]
