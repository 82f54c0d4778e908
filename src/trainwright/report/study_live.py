"""A search while it runs, in the terminal: its best trials as a table, and the best score against steps spent."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Trial
from trainwright.records.study import StudyInfo, TrialStatus, ranked
from trainwright.report.axes import Axis, axis_for
from trainwright.report.braille import draw
from trainwright.report.curves import MIN_LIMIT, Curve, decimate
from trainwright.report.numbers import number, percent, plural
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, paint
from trainwright.report.study_facts import counts_phrase, progress, setting
from trainwright.report.wrapping import clip, display_width

_MARGIN = 9
_MAX_COLUMNS = 80
_WIDEST = 14
_CURVE_ROWS = 5
_INKS: dict[TrialStatus, str] = {
    "failed": SIGNS["error"].ansi,
    "finished": HEALTHY.ansi,
    "pruned": DIM,
    "stopped": DIM,
    "running": "",
}


def render_live(info: StudyInfo, *, height: int = 24, color: bool = False, width: int = 100) -> str:
    """Return the study as it stands, in at most `height` lines (12 at the least): head, best trials, curve."""
    room = max(height, 12) - 1
    curve = progress_curve(info, rows=_CURVE_ROWS if height >= 18 else 2, color=color, width=width)
    rows = room - len(curve) - 3 if curve else room - 3
    blocks = [[paint(clip(_head(info), width), BOLD, color=color)]]
    blocks.append(trial_table(info, rows=max(rows, 1), color=color, width=width))
    return "\n".join(line for block in [*blocks, curve] for line in block)


def trial_table(info: StudyInfo, *, rows: int = 10, color: bool = False, width: int = 100) -> list[str]:
    """Return the best `rows` trials, best first, and a line that counts the others. Rounds are counted from 1."""
    order = ranked(info.trials)
    if not order:
        return ["  no trial has begun"]
    shown = order[:rows]
    names = list(dict.fromkeys(name for trial in order for name in trial.values))
    columns = [
        ("rank", [str(place) for place in range(1, len(shown) + 1)]),
        ("trial", [str(trial.number) for trial in shown]),
        ("round", [str(trial.round + 1) for trial in shown]),
        ("rung", [str(trial.rung) for trial in shown]),
        ("score", [number(trial.score) if trial.score is not None else "–" for trial in shown]),
        ("status", [trial.status for trial in shown]),
    ]
    values = [
        (short, [clip(setting(trial.values[name]), _WIDEST) if name in trial.values else "–" for trial in shown])
        for name, short in zip(names, short_names(names), strict=True)
    ]
    fitting, left_out = _fitting(columns, values, width - 2)
    table = [*columns[:4], *fitting, *columns[4:]]
    sizes = [max(map(display_width, [head, *cells])) for head, cells in table]
    lines = [paint("  " + _line([head for head, _ in table], sizes), DIM, color=color)]
    for place, trial in enumerate(shown):
        text = _line([cells[place] for _, cells in table[:-1]], sizes[:-1])
        lines.append(f"  {text}   {paint(trial.status, _INKS[trial.status], color=color)}")
    return [*lines, *_rest(order[len(shown) :], left_out, color=color, width=width)]


def progress_curve(info: StudyInfo, *, rows: int = 7, color: bool = False, width: int = 100) -> list[str]:
    """Return the score of the best trial against the steps of all trials together, drawn in braille; [] without."""
    points = progress(info)
    if len(points) < 2:
        return []
    columns = max(20, min(width - _MARGIN - 2, _MAX_COLUMNS))
    stairs = _stairs(points)
    curve = decimate(stairs.steps, stairs.values, limit=max(8 * columns, MIN_LIMIT))
    scores = [score for _, score in points]
    up = axis_for(scores, allow_log=True)
    if up is None:
        return []
    if min(scores) < max(scores):
        up = Axis(low=min(scores), high=max(scores), log=up.log)
    across = Axis(low=0, high=max(points[-1][0], 1))
    title = "best score by steps of all trials" + (", logarithmic" if up.log else "")
    labels = [number(up.high), *[""] * (rows - 2), number(up.low)]
    picture = draw(curve, across, up, columns=columns, rows=rows)
    last = number(points[-1][0])
    return [
        f"  {paint(clip(title, width - 2), DIM, color=color)}",
        *(f"{label:>{_MARGIN}} ┤{row}" for label, row in zip(labels, picture, strict=True)),
        f"{'':>{_MARGIN}} └{'─' * columns}",
        f"{'':>{_MARGIN}}  0{last:>{columns - 1}}",
    ]


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last part of each dotted name where that tells them apart, else the whole name, harmless."""
    lasts = [name.rpartition(".")[2] for name in names]
    return [
        clip(prose(last if last and lasts.count(last) == 1 else name), _WIDEST)
        for name, last in zip(names, lasts, strict=True)
    ]


def _head(info: StudyInfo) -> str:
    done = len({trial.configuration for trial in info.trials})
    share = f" ({percent(info.steps / info.plan.steps)} of those given)" if info.plan.steps else ""
    parts = [
        f"round {len(info.rounds)} of {max(info.plan.rounds, len(info.rounds))}",
        f"{done:,} of {plural(info.plan.trials, 'trial')} begun",
        f"{info.steps:,} steps{share}",
    ]
    if info.best is not None and info.best.score is not None:
        parts.append(f"best score {number(info.best.score)}")
    return ", ".join(parts)


def _stairs(points: Sequence[tuple[int, float]]) -> Curve:
    """Return a curve that stays at each score until the next."""
    steps, scores = [points[0][0]], [points[0][1]]
    for step, score in points[1:]:
        steps += [step, step]
        scores += [scores[-1], score]
    return Curve(steps=tuple(steps), values=tuple(scores), total=len(steps))


def _fitting(
    columns: Sequence[tuple[str, list[str]]], values: Sequence[tuple[str, list[str]]], room: int
) -> tuple[list[tuple[str, list[str]]], int]:
    """Return the columns of values that fit beside the others, and how many do not."""
    used = sum(3 + max(map(display_width, [head, *cells])) for head, cells in columns)
    fitting = []
    for head, cells in values:
        used += 3 + max(map(display_width, [head, *cells]))
        if used > room:
            break
        fitting.append((head, cells))
    return fitting, len(values) - len(fitting)


def _rest(others: Sequence[Trial], left_out: int, *, color: bool, width: int) -> list[str]:
    told = [f"{len(others):,} more: {counts_phrase(others)}"] if others else []
    if left_out:
        told.append(f"{plural(left_out, 'parameter')} left out")
    return [paint(clip(f"  {'; '.join(told)}", width), DIM, color=color)] if told else []


def _line(cells: Sequence[str], sizes: Sequence[int]) -> str:
    return "   ".join(" " * (size - display_width(cell)) + cell for cell, size in zip(cells, sizes, strict=True))
