"""A table in text: any separator, header or none; and Lightning's metrics.csv with the hparams.yaml beside it.

Split by Python's own `csv`, so that a cell which is no number can be named by its line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainwright.errors import RunError
from trainwright.records import Location, Setting
from trainwright.runs.foreign_table import Table, content, number_in, split_of, text_of, unreadable

SEPARATORS = (",", ";", "\t", "|")
_SPLIT_COLUMNS = frozenset({"phase", "split", "mode", "set", "stage", "subset", "dataset", "partition", "part"})
_NAME_COLUMNS = frozenset({"metric", "tag", "name", "key"})
_YAML_LINE = re.compile(r"""^\s*([A-Za-z_][\w./-]*)\s*:\s*(?:!!\S+\s+)?["']?([^"'#]*?)["']?\s*(?:#.*)?$""")
_MOST_NAMED = 3
_MOST_COLUMNS = 10_000  # a log of a norm for every layer of a large network has some thousand


def read_csv(path: Path) -> Table:
    """Read a table. Raises `RunError` where it is empty, no text, or holds no number."""
    lines = re.split(r"\r\n|\n|\r", text_of(path, content(path)))
    table = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not table:
        raise unreadable(path, "it holds no line", remedy="was the run stopped before its first step?")
    first = table[0][1].lstrip("#% ")
    separator = _separator(first, [line for _, line in table[1:20]])
    comma = separator not in (",", None)
    header = _cells(first, separator)
    if len(header) > _MOST_COLUMNS:
        why = f"it has {len(header):,} columns, and at most {_MOST_COLUMNS:,} are looked through for a loss"
        raise unreadable(path, why, remedy="name the log itself, or keep the columns of its losses")
    body, notes = table[1:], []
    if all(number_in(cell, comma=comma) is not None for cell in header):
        notes.append(f"there is no header: its columns are named 'column 1' to 'column {len(header)}'")
        header, body = [f"column {place}" for place in range(1, len(header) + 1)], table
    header = _named(header)
    rows, odd, short, wide, repeated = [], dict[str, list[str]](), 0, 0, 0
    for number, line in body:
        if line.lstrip().startswith("#"):
            continue
        cells = _cells(line, separator)
        if cells == header:
            repeated += 1
            continue
        short += len(cells) < len(header) and number == body[-1][0]
        wide += len(cells) > len(header)
        row, words = {}, {}
        for name, cell in zip(header, cells, strict=False):
            if not cell.strip() or cell.strip() in ("-", "None", "null", "NA", "N/A"):
                continue
            value = number_in(cell, comma=comma)
            if value is None:
                words[name] = cell.strip()
            else:
                row[name] = value
        row = _by_words(row, words) if words else row
        for name, cell in words.items():
            odd.setdefault(name, []).append(f"{cell[:30]!r} in line {number}")
        if row:
            rows.append(row)
    if not rows:
        raise unreadable(path, "no line of it holds a number", remedy="name a table of losses, with a header")
    numeric = {name for row in rows for name in row}
    for name, cells in odd.items():
        if name in numeric:
            more = f", and {len(cells) - _MOST_NAMED} more" if len(cells) > _MOST_NAMED else ""
            notes.append(f"cells of '{name}' are no numbers and are left out: {', '.join(cells[:_MOST_NAMED])}{more}")
    if short:
        notes.append(f"the last line (line {body[-1][0]}) is cut short")
    if wide:
        notes.append(f"{wide} lines have more cells than the header: those beyond it are left out")
    if repeated:
        notes.append(f"the header is repeated {repeated} times: several runs were written into one file")
    settings = read_hparams(path.parent / "hparams.yaml") if path.name == "metrics.csv" else {}
    form = "Lightning's CSV log" if path.name == "metrics.csv" else "a table in text"
    return Table(source=path, form=form, rows=rows, settings=settings, notes=tuple(notes))


def read_hparams(path: Path) -> dict[str, Setting]:
    """Read the plain lines `name: value` of a YAML file, each with its place; a file that is not there holds none."""
    try:
        text = text_of(path, content(path))
    except (OSError, RunError):
        return {}
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _YAML_LINE.match(line)
        if match and match.group(2):
            value = number_in(match.group(2))
            where = Location(file=str(path), line=number)
            found[match.group(1)] = Setting(value=match.group(2) if value is None else value, where=where)
    return found


def _separator(header: str, lines: Sequence[str]) -> str | None:
    """Return the separator that splits header and lines into the same number of cells; None for blanks."""

    def agreement(separator: str) -> tuple[int, int]:
        count = len(_cells(header, separator))
        return sum(len(_cells(line, separator)) == count for line in lines), count

    present = [separator for separator in SEPARATORS if separator in header]
    if present:
        return max(present, key=agreement)
    in_lines = [separator for separator in SEPARATORS if lines and separator in lines[0]]
    return in_lines[0] if in_lines and in_lines != [","] else None if " " in header.strip() else ","


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    if '"' not in line and separator != "|":  # the same without the parser, and faster
        return [cell.strip() for cell in line.split(separator)]
    try:
        [cells] = csv.reader([line], delimiter=separator, skipinitialspace=True)
    except (csv.Error, ValueError):  # a cell beyond the parser's limit, or a torn quotation
        cells = line.split(separator)
    while len(cells) > 1 and separator == "|" and not cells[-1].strip():
        cells.pop()
    return [cell.strip() for cell in cells]


def _named(header: Sequence[str]) -> list[str]:
    """Return names for all columns, no two alike."""
    names: list[str] = []
    for place, cell in enumerate(header, start=1):
        name = cell or f"column {place}"
        names.append(f"{name} ({place})" if name in names else name)
    return names


def _by_words(row: dict[str, float], words: dict[str, str]) -> dict[str, float]:
    """Return a row of a long table as one of a wide table: a column that says which split, or which metric, it is.

    Takes such words out of `words`.
    """
    lowered = {name.lower(): name for name in words}
    value = next((name for name in row if name.lower() == "value"), None)
    metric = next(iter(_NAME_COLUMNS & lowered.keys()), None)
    if value is not None and metric is not None:
        row[words.pop(lowered[metric])] = row.pop(value)
    split = next((name for name in _SPLIT_COLUMNS if name in lowered and split_of(words[lowered[name]])), None)
    if split is None:
        return row
    name = split_of(words.pop(lowered[split]))
    return {column if _is_axis(column) else f"{name}/{column}": cell for column, cell in row.items()}


def _is_axis(column: str) -> bool:
    return bool(set(_words(column)) & {"step", "steps", "epoch", "epochs", "iter", "iteration", "batch", "lr", "time"})


def _words(column: str) -> Iterator[str]:
    return (word for word in re.split(r"[^a-z]+", column.lower()) if word)
