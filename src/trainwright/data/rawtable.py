"""A table as its file holds it, whatever the format, and the cells that say that there is no value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

MISSING = ("", "?", "na", "n/a", "nan", "null")
"""Cells that say that there is no value, in lower case."""
_MOST_NAMED = 6  # columns that a note lists


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """A table as it was stored, null where a cell is missing.

    Of a text file, all columns of `frame` are String, stripped of blanks. Where the file itself says what its columns
    hold (`typed`), they are Float64 without NaN, or String ("true" and "false" for truth values).

    `lines`, int64 `(rows,)`, says where each row begins, counted from 1 in units of `unit` ("line" or "row").
    `fingerprint` is the SHA-256 of the file's content, decompressed. `unreadable` maps columns that are not in `frame`
    to what they hold.
    """

    path: str
    frame: pl.DataFrame
    lines: np.ndarray
    separator: str
    has_header: bool
    fingerprint: str
    notes: tuple[str, ...]
    typed: bool = False
    unit: str = "line"
    unreadable: Mapping[str, str] = field(default_factory=dict)


def without_marks(frame: pl.DataFrame, marks: Counter[tuple[str, str]]) -> pl.DataFrame:
    """Return String columns stripped of blanks, with null for every mark that means missing.

    `marks` gains how often which column holds which mark, as it is written; an empty cell is no mark.
    """
    import polars as pl

    stripped = frame.select(pl.all().str.strip_chars())
    missing = stripped.select(pl.all().str.to_lowercase().is_in(list(MISSING)))
    for column in stripped.iter_columns():
        found = column.filter(missing[column.name])
        for word, count in found.value_counts().rows():
            if word:
                marks[column.name, word] += count
    kept = [column.set(missing[column.name], None) for column in stripped.iter_columns()]
    return pl.DataFrame(kept)


def missing_note(file: str, marks: Counter[tuple[str, str]]) -> str:
    """Return the sentence that says which cells were taken as missing although something is written in them."""
    words = sorted({word for _, word in marks})
    parts = []
    for word in words:
        places = [(column, count) for (column, mark), count in marks.items() if mark == word]
        named = ", ".join(f"'{column}' ({count:,})" for column, count in places[:_MOST_NAMED])
        more = f" and {len(places) - _MOST_NAMED} more columns" if len(places) > _MOST_NAMED else ""
        parts.append(f"'{word}' in {named}{more}")
    return f"{file}: cells taken as missing: {'; '.join(parts)}"
