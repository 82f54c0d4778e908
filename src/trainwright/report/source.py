"""The line of source that a finding points to, and which part of it to underline. Bounded, and it never raises."""

from __future__ import annotations

import ast
import linecache
import os
import stat
import warnings
from dataclasses import dataclass

from trainwright.records import Location
from trainwright.report.safe import visible
from trainwright.report.wrapping import display_width

MAX_BYTES = 2 * 1024 * 1024
"""Larger files are not read: no source that a person wrote is."""
_MAX_COLUMNS = 500
_TAB = 4


@dataclass(frozen=True, kw_only=True)
class SourceLine:
    """A line as it is shown (tabs expanded, controls escaped) and the columns `start` to `end` to underline."""

    number: int
    text: str
    start: int
    end: int


def read_source_line(where: Location) -> SourceLine | None:
    """Return the line that `where` names, or None where there is no such line to show."""
    if where.file is None or where.line is None or where.line < 1:
        return None
    raw = _raw_line(where.file, where.line)
    if raw is None or not raw.strip():
        return None
    # Cutting first bounds all that follows, the parser included.
    raw = raw.rstrip()[:_MAX_COLUMNS]
    begin, finish = _statement(raw)
    shown = _shown(raw)
    return SourceLine(number=where.line, text=shown, start=_column(raw[:begin]), end=_column(raw[:finish]))


def _raw_line(file: str, line: int) -> str | None:
    try:
        if not os.path.exists(file):
            return _held_line(file, line)
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        with open(file, "rb") as source:
            content = source.read(MAX_BYTES)
    except (OSError, ValueError):  # ValueError: a null character in the path
        return None
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return lines[line - 1].decode("utf-8", errors="replace") if line <= len(lines) else None


def _held_line(file: str, line: int) -> str | None:
    """Return a line of what was never in a file, such as a notebook's cell: Python keeps its source for tracebacks."""
    held = linecache.cache.get(file)
    if held is None or len(held) != 4:
        return None
    return held[2][line - 1] if line <= len(held[2]) else None


def _statement(raw: str) -> tuple[int, int]:
    """Return where the part to underline begins and ends: the value of an assignment, else the whole statement."""
    begin = len(raw) - len(raw.lstrip())
    whole = (begin, len(raw))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user's source may hold a questionable escape
            statements = ast.parse(raw.lstrip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return whole
    if len(statements) != 1:
        return whole
    node = statements[0]
    value = node.value if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return) else None
    part = value or node
    if part.end_col_offset is None:
        return whole
    encoded = raw.lstrip().encode()  # the parser counts bytes
    first, last = (len(encoded[:offset].decode()) for offset in (part.col_offset, part.end_col_offset))
    return begin + first, begin + last


def _shown(raw: str) -> str:
    return visible(raw.expandtabs(_TAB))


def _column(prefix: str) -> int:
    return display_width(_shown(prefix))
