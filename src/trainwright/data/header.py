"""Whether the first record of a table names its columns, and which names it gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from trainwright.errors import DataError

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


def first_record_is_header(records: Sequence[Sequence[str]], missing: Sequence[str]) -> bool:
    """Return whether the first of `records` is a header, by comparing it with the others.

    A word above a column of numbers makes it a header; failing that, a number or a mark for a missing value in it makes
    it data. Where everything is words, it is data if at least half of its cells recur further down in their columns.
    """
    first, rest = [cell.strip() for cell in records[0]], records[1:]
    marks = {mark for mark in missing if mark}
    is_data = [_NUMBER.fullmatch(cell) is not None or cell.lower() in marks for cell in first]
    recurring = 0
    for place, cell in enumerate(first):
        column = [value for row in rest if place < len(row) and (value := row[place].strip()).lower() not in missing]
        if cell and not is_data[place] and column and all(_NUMBER.fullmatch(value) for value in column):
            return True
        recurring += cell in column
    return not any(is_data) and 2 * recurring < len(first)


def header_names(cells: Sequence[str], path: Path, line: int) -> list[str]:
    """Return the names of the columns; an empty one becomes "index" in front (as pandas writes it), else `column_7`.

    Raises `DataError` where a name occurs twice.
    """
    names: dict[str, int] = {}  # to where each stands
    for place, cell in enumerate(cells):
        name = " ".join(cell.split()) or ("index" if place == 0 else f"column_{place + 1}")
        if name in names:
            raise DataError(
                f"{path} has two columns called '{name}'",
                evidence=f"line {line}: columns {names[name] + 1} and {place + 1}",
                remedy="rename or remove one of them",
            )
        names[name] = place
    return list(names)
