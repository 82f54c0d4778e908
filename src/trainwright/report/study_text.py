"""A search as text for a terminal: the best, what each round found, the edges, what failed, what mattered, the end."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records.study import Importance, StudyInfo
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import StudyReading
from trainwright.report.numbers import number, plural
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, SIGNS, paint
from trainwright.report.study_facts import (
    alone_phrases,
    edge_phrase,
    failures,
    final_rows,
    head_facts,
    importance_phrase,
    move_phrase,
    range_phrase,
    setting,
    study_verdict,
)
from trainwright.report.study_live import progress_curve, trial_table
from trainwright.report.text import render_findings
from trainwright.report.wrapping import clip, display_width, wrap

_BAR = 24
_MOST_REASONS = 5
_MOST_NAMES = 30
_ROWS = 5


def render_study(
    reading: StudyReading,
    *,
    color: bool = False,
    width: int = 100,
) -> str:
    """Return the report of a search, finished or not: what a reader needs to trust its best values, or not to."""
    info, final = reading.info, reading.final
    sign, sentence = study_verdict(info, reading.findings)
    title = paint(clip(prose(reading.name), max(width // 2, 20)), BOLD, color=color)
    first, *rest = wrap(f"{sign.shape} {sentence}", max(width - display_width(reading.name) - 2, 40))
    head = [f"{title}: {paint(first, sign.ansi, color=color)}"]
    head += [f"  {paint(line, sign.ansi, color=color)}" for line in rest]
    blocks = [
        head,
        _pairs(head_facts(info), color=color, width=width),
        _best(info, color=color, width=width),
        _titled("best trials", _table(info, color=color, width=width), color=color),
        progress_curve(info, rows=5, color=color, width=width),
        _titled("rounds", _rounds(info, color=color, width=width), color=color),
        _titled("edges", _listed([edge_phrase(edge) for edge in reading.edges], width=width), color=color),
        _titled(
            "importance, as a share of the score's variance", _importance(reading.importance, width=width), color=color
        ),
        _titled("failed trials, by reason", _failures(info, width=width), color=color),
        _titled("final run", [] if final is None else _final(final, color=color, width=width), color=color),
        _titled(
            "one trial alone",
            [] if reading.alone is None else _listed(alone_phrases(reading.alone), width=width),
            color=color,
        ),
        _titled("notes", _listed([prose(note) for note in info.notes], width=width), color=color),
    ]
    if reading.findings:
        blocks.append([render_findings(reading.findings, color=color, width=width)])
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _titled(title: str, lines: Sequence[str], *, color: bool) -> list[str]:
    return [f"  {paint(title, BOLD, color=color)}", *lines] if lines else []


def _pairs(rows: Sequence[tuple[str, str]], *, color: bool, width: int, indent: int = 2) -> list[str]:
    """Return names and values in two columns; long values wrap."""
    size = max((display_width(name) for name, _ in rows), default=0)
    lines = []
    for name, value in rows:
        first, *rest = wrap(value, max(width - size - indent - 2, 30))
        pad = " " * (size - display_width(name))
        lines.append(f"{' ' * indent}{paint(name, DIM, color=color)}{pad}  {first}")
        lines += [f"{' ' * (indent + size + 2)}{line}" for line in rest]
    return lines


def _best(info: StudyInfo, *, color: bool, width: int) -> list[str]:
    best = info.best
    if best is None or best.score is None:
        return []
    place = f"trial {best.number} of round {best.round + 1}, score {number(best.score)} after {best.steps:,} steps"
    rows = [(clip(prose(name), _MOST_NAMES), setting(value)) for name, value in best.values.items()]
    head = clip(f"best values ({place})", width - 2)
    head = paint("best values", BOLD, color=color) + head.removeprefix("best values")
    return [f"  {head}", *_pairs(rows, color=color, width=width, indent=4)]


def _table(info: StudyInfo, *, color: bool, width: int) -> list[str]:
    return trial_table(info, rows=_ROWS, color=color, width=width) if info.trials else []


def _rounds(info: StudyInfo, *, color: bool, width: int) -> list[str]:
    """Return each round: where it was drawn, and after it what moved and why."""
    lines: list[str] = []
    for one in info.rounds:
        count = plural(sum(one.chunks), "configuration")
        scores = [trial.score for trial in info.trials if trial.round == one.number and trial.status != "failed"]
        known = [score for score in scores if score is not None]
        best = f", best score {number(min(known))}" if known else ""
        lines.append(f"    {paint(f'round {one.number + 1}', BOLD, color=color)}, {count}{best}")
        moves = {move.name: move for move in one.moves}
        rows = []
        for name, axis in one.space.items():
            move = moves.get(name)
            told = range_phrase(axis) if move is None else f"{move_phrase(move)}: {prose(move.reason)}"
            rows.append((clip(prose(name), _MOST_NAMES), told))
        lines += _pairs(rows, color=color, width=width, indent=6)
    return lines


def _importance(importance: Sequence[Importance], *, width: int) -> list[str]:
    size = max((display_width(clip(prose(one.name), _MOST_NAMES)) for one in importance), default=0)
    room = max(min(_BAR, width - size - 20), 4)
    lines = []
    for one in importance:
        name = clip(prose(one.name), _MOST_NAMES)
        filled = round(min(max(one.share, 0.0), 1.0) * room)
        bar = "█" * filled + "·" * (room - filled)
        lines.append(f"    {name}{' ' * (size - display_width(name))}  {bar}  {importance_phrase(one)}")
    return lines


def _failures(info: StudyInfo, *, width: int) -> list[str]:
    told = failures(info.trials)
    lines = _listed([f"{count:,} × {reason}" for reason, count in told[:_MOST_REASONS]], width=width)
    more = sum(count for _, count in told[_MOST_REASONS:])
    return [*lines, f"    {more:,} × other reasons"] if more else lines


def _final(final: FinalRun, *, color: bool, width: int) -> list[str]:
    rows = [("values", ", ".join(f"{prose(name)} = {setting(value)}" for name, value in final.values.items()))]
    lines = _pairs([*rows, *final_rows(final)], color=color, width=width, indent=4)
    if final.is_beyond_noise is False:
        sign = SIGNS["warning"]
        lines.append(f"    {paint(f'{sign.shape} the gain over the default is not proved', sign.ansi, color=color)}")
    return lines


def _listed(texts: Sequence[str], *, width: int) -> list[str]:
    lines = []
    for text in texts:
        first, *rest = wrap(text, max(width - 4, 30))
        lines += [f"    {first}", *(f"      {line}" for line in rest)]
    return lines
