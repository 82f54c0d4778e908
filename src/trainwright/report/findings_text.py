"""One finding as the lines of a compiler message."""

from __future__ import annotations

from collections.abc import Iterator

from trainwright.records import Finding, Remedy
from trainwright.report.phrases import evidence_phrase, patch_lines, place_phrase
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, SIGNS, Sign, paint
from trainwright.report.source import SourceLine, read_source_line
from trainwright.report.wrapping import clip, wrap

_MIN_GUTTER = 2
_LABEL = 10
_MIN_TEXT = 20


def finding_lines(finding: Finding, *, color: bool, width: int) -> Iterator[str]:
    """Yield the message of one finding, line by line."""
    sign = SIGNS[finding.severity]
    source = read_source_line(finding.where)
    gutter = _MIN_GUTTER if source is None else max(_MIN_GUTTER, len(str(source.number)))
    yield from _headline(finding, sign, color=color, width=width)
    place = place_phrase(finding.where, finding.step)
    if place:
        yield f"{' ' * gutter}{paint('-->', DIM, color=color)} {place}"
    if source is not None:
        yield from _excerpt(source, gutter, sign, color=color, width=width)
    for label, text, patch in _paragraphs(finding):
        yield from _paragraph(label, text, patch, gutter, color=color, width=width)


def _headline(finding: Finding, sign: Sign, *, color: bool, width: int) -> Iterator[str]:
    head = f"{sign.word}[{prose(finding.code)}]"
    first, *rest = wrap(f"{head}: {prose(finding.title)}", width)
    # The head holds no blank, so that it stands whole at the start of the first line.
    yield paint(first[: len(head)], BOLD, sign.ansi, color=color) + paint(first[len(head) :], BOLD, color=color)
    for line in rest:
        yield "  " + paint(line, BOLD, color=color)


def _excerpt(source: SourceLine, gutter: int, sign: Sign, *, color: bool, width: int) -> Iterator[str]:
    bar = paint("|", DIM, color=color)
    room = max(width - gutter - 3, _MIN_TEXT)
    number = paint(f"{source.number:>{gutter}}", DIM, color=color)
    carets = clip(" " * source.start + "^" * max(1, source.end - source.start), room).rstrip("…")
    yield f"{' ' * gutter} {bar}"
    yield f"{number} {bar} {clip(source.text, room)}"
    if carets.strip():
        yield f"{' ' * gutter} {bar} {paint(carets, BOLD, sign.ansi, color=color)}"


def _paragraphs(finding: Finding) -> Iterator[tuple[str, str, list[str]]]:
    for evidence in finding.evidence:
        yield "evidence", evidence_phrase(evidence), []
    if finding.because:
        yield "because", prose(finding.because), []
    for remedy in finding.remedies:
        yield "remedy", prose(remedy.text), _patch(remedy)
    yield "more", f"trainwright explain {prose(finding.code)}", []


def _patch(remedy: Remedy) -> list[str]:
    return patch_lines(remedy.change) if remedy.change else []


def _paragraph(label: str, text: str, patch: list[str], gutter: int, *, color: bool, width: int) -> Iterator[str]:
    hang = " " * (gutter + 3 + _LABEL)
    first, *rest = wrap(text, max(width - len(hang), _MIN_TEXT))
    sign = paint("=", DIM, color=color)
    yield f"{' ' * gutter} {sign} {paint(f'{label}:', BOLD, color=color)}{' ' * (_LABEL - len(label) - 1)}{first}"
    for line in rest:
        yield hang + line
    for line in patch:
        yield hang + "  " + paint(line, SIGNS["note"].ansi, color=color)
