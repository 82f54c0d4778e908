"""A finished model as text for a terminal: what gained, what lost, at what cost, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Finding
from trainwright.records.ensemble import EnsembleInfo
from trainwright.report.finish_facts import (
    cells,
    finish_verdict,
    head_facts,
    head_of,
    member_phrase,
    test_cells,
    test_head_of,
)
from trainwright.report.finish_reliability import reliability_text
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, paint
from trainwright.report.text import render_findings
from trainwright.report.wrapping import clip, display_width, wrap

_MOST_MEMBERS = 10


def render_finish(
    info: EnsembleInfo, findings: Sequence[Finding] = (), *, color: bool = False, width: int = 100
) -> str:
    """Return the report of a finished model."""
    sign, sentence = finish_verdict(info)
    title = paint(clip(prose(info.name), max(width // 2, 20)), BOLD, color=color)
    first, *rest = wrap(f"{sign.shape} {prose(sentence)}", max(width - display_width(info.name) - 2, 40))
    head = [f"{title}: {paint(first, sign.ansi, color=color)}"]
    head += [f"  {paint(line, sign.ansi, color=color)}" for line in rest]
    blocks = [
        head,
        _pairs(head_facts(info), color=color, width=width),
        _titled("what gained and what lost", _table(info, color=color), color=color),
        _titled("on test, once", _tested(info), color=color),
        _titled("members", _members(info, width=width), color=color),
        _titled("reliability of the probabilities", reliability_text(info.bins), color=color),
        _titled("notes", [f"    {line}" for note in _notes(info) for line in wrap(note, width - 4)], color=color),
    ]
    if findings:
        blocks.append([render_findings(findings, color=color, width=width)])
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _table(info: EnsembleInfo, *, color: bool) -> list[str]:
    gains = info.gains
    rows = [cells(row, gains) for row in gains.rows]
    lines = _aligned(head_of(gains), rows)
    styles = {"gained": HEALTHY.ansi, "lost": SIGNS["warning"].ansi}
    told = [paint(lines[0], DIM, color=color)]
    for line, row in zip(lines[1:], gains.rows, strict=True):
        style = BOLD if row.method == gains.chosen else styles.get(row.verdict, "")
        told.append(paint(line, style, color=color) if style else line)
    return told


def _tested(info: EnsembleInfo) -> list[str]:
    gains = info.gains
    rows = [test_cells(row, gains) for row in gains.rows if row.test is not None]
    if not rows:
        return []
    return _aligned(test_head_of(gains), rows)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in columns, the first and the last at the left, the others at the right."""
    plain = [[prose(cell) for cell in row] for row in rows]
    sizes = [max(display_width(row[column]) for row in [head, *plain]) for column in range(len(head))]
    lines = []
    for row in [list(head), *plain]:
        cut = []
        for column, (cell, size) in enumerate(zip(row, sizes, strict=True)):
            pad = " " * (size - display_width(cell))
            cut.append(cell + pad if column in (0, len(head) - 1) else pad + cell)
        lines.append(("    " + "  ".join(cut)).rstrip())
    return lines


def _members(info: EnsembleInfo, *, width: int) -> list[str]:
    told = [f"    {clip(prose(text), width - 4)}" for text in member_phrase(info)]
    more = len(told) - _MOST_MEMBERS
    return [*told[:_MOST_MEMBERS], f"    and {more} more"] if more > 0 else told


def _notes(info: EnsembleInfo) -> list[str]:
    return [prose(note) for note in info.notes] + [
        f"{prose(row.method)}: {prose(row.note)}" for row in info.gains.rows if row.note
    ]


def _pairs(rows: Sequence[tuple[str, str]], *, color: bool, width: int) -> list[str]:
    size = max((display_width(name) for name, _ in rows), default=0)
    lines = []
    for name, value in rows:
        first, *rest = wrap(prose(value), max(width - size - 4, 30))
        lines.append(f"  {paint(name, DIM, color=color)}{' ' * (size - display_width(name))}  {first}")
        lines += [f"{' ' * (size + 4)}{line}" for line in rest]
    return lines


def _titled(title: str, lines: Sequence[str], *, color: bool) -> list[str]:
    return [f"  {paint(title, BOLD, color=color)}", *lines] if lines else []
