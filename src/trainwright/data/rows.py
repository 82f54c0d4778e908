"""Columns that are in memory already to a table like one that was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwright.data.numbers import number_name
from trainwright.data.rawtable import RawTable, without_marks
from trainwright.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

_NAME = "the rows"


def table_of_rows(rows: Any, needed: Sequence[str]) -> RawTable:
    """Return the columns `needed` of a mapping or a data frame as a table, rows counted from 1.

    None and NaN are missing, as are the words of `MISSING`; numbers stay numbers, and among words they are written as
    a file would hold them. Raises `DataError` where a column lacks, or where the columns differ in length.
    """
    import polars as pl

    if not isinstance(rows, Mapping) and hasattr(rows, "columns"):
        rows = {str(name): rows[name] for name in rows.columns}
    if not isinstance(rows, Mapping):
        raise DataError(
            "the rows are neither a mapping of columns nor the path of a table",
            evidence=type(rows).__name__,
            remedy=f"pass a dict such as {{'{needed[0]}': [...], ...}}, or the path of a CSV or Parquet file",
        )
    missing = [name for name in needed if name not in rows]
    if missing:
        raise DataError(
            f"the rows lack the column '{missing[0]}' of the training data",
            evidence=f"they have {', '.join(map(str, rows)) or 'none'}",
            remedy=did_you_mean(missing[0], map(str, rows)) if rows else "pass every column",
        )
    columns = [_column(name, rows[name]) for name in needed]
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(
            "the columns of the rows must have one length, of one row at least",
            evidence=", ".join(f"'{name}': {length}" for name, length in list(lengths.items())[:8]),
            remedy="pass a value, or None, for every row and column",
        )
    return RawTable(
        path=_NAME,
        frame=pl.DataFrame(columns),
        lines=np.arange(1, len(columns[0]) + 1),
        separator=",",
        has_header=True,
        fingerprint="",
        notes=(),
        unit="row",
    )


def _column(name: str, values: Any) -> pl.Series:
    import polars as pl

    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise DataError(
            f"column '{name}' of the rows is no column",
            evidence=f"{type(values).__name__}: {values!r}"[:200],
            remedy="pass a list of values, one for each row",
        )
    plain = getattr(values, "tolist", None) or getattr(values, "to_list", None)  # of an array, of a series
    items = [_item(item, name) for item in (plain() if plain is not None else values)]
    if all(item is None or isinstance(item, float) for item in items):
        return pl.Series(name, items, dtype=pl.Float64)
    words = [number_name(item) if isinstance(item, float) else item for item in items]
    return without_marks(pl.Series(name, words, dtype=pl.String).to_frame(), Counter()).to_series()


def _item(item: Any, name: str) -> float | str | None:
    """Return a value as a number or a word, None where it is missing."""
    if hasattr(item, "item") and not isinstance(item, str):  # a number of numpy's or torch's own
        item = item.item()
    if item is None:
        return None
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int | float):
        return None if item != item else float(item) if abs(item) < 1e300 else str(item)  # NaN differs from itself
    if isinstance(item, str):
        return item
    if isinstance(item, list | tuple | dict | set | bytes):
        raise DataError(
            f"column '{name}' of the rows holds {type(item).__name__} values, neither numbers nor words",
            evidence=repr(item)[:200],
            remedy="pass one number or word for each row",
        )
    return str(item)
