"""A Parquet file to columns of numbers and words: what each column holds is read from its type, not guessed."""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainwright.data.files import MOST_BYTES, opened, read_all, read_upto
from trainwright.data.rawtable import RawTable, missing_note, without_marks
from trainwright.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MAGIC = b"PAR1"
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
_REFETCH = "write or copy the file again"


def is_parquet(path: Path) -> bool:
    """Return whether the file starts like a Parquet file."""
    with opened(path) as stream:
        return bytes(read_upto(stream, 4)) == _MAGIC


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file as a table.

    Numbers, decimals and durations (in seconds) become Float64, NaN counting as missing; truth values, text,
    categories, dates and times become String, and text that only says that there is no value (see `MISSING`) null.
    Lists, records and bytes are `unreadable`, as a network could not take them. Raises `DataError` where the file is
    damaged, has no rows or columns, or is too large to be held in memory.
    """
    content = read_all(path)
    frame, notes = _read(content, path)
    if frame.width == 0 or frame.height == 0:
        raise DataError(
            f"{path} holds no {'columns' if frame.width == 0 else 'rows'}",
            evidence=f"{frame.height} rows, {frame.width} columns",
            remedy="check the program that wrote it",
        )
    columns: list[pl.Series] = []
    unreadable: dict[str, str] = {}
    marks: Counter[tuple[str, str]] = Counter()
    for series in frame.iter_columns():
        column = _plain(series)
        if isinstance(column, str):
            unreadable[series.name] = column
        else:
            columns.append(column if column.dtype.is_numeric() else _without_marks(column, marks))
    if marks:
        notes.append(missing_note(path.name, marks))
    if unreadable:
        named = ", ".join(f"'{name}' ({what})" for name, what in list(unreadable.items())[:8])
        notes.append(f"{path.name}: columns that hold neither numbers nor words were left out: {named}")
    import polars as pl

    return RawTable(
        path=str(path),
        frame=pl.DataFrame(columns),
        lines=np.arange(1, frame.height + 1),
        separator=",",
        has_header=True,
        fingerprint=hashlib.sha256(content).hexdigest(),
        notes=tuple(notes),
        typed=True,
        unit="row",
        unreadable=unreadable,
    )


def _read(content: bytes, path: Path) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl
    from polars.exceptions import PanicException

    try:
        rows = pl.scan_parquet(io.BytesIO(content)).select(pl.len()).collect().item()
        width = len(pl.read_parquet_schema(io.BytesIO(content)))
        if rows * width * 8 > MOST_BYTES:
            raise DataError(
                f"{path} is too large to be held in memory",
                evidence=f"{rows:,} rows of {width:,} columns are about {rows * width * 8:,} bytes",
                remedy="train on a sample of its rows, or pass a DataLoader from Python",
            )
        frame = pl.read_parquet(io.BytesIO(content))
    except DataError:
        raise
    except (Exception, PanicException) as problem:  # a damaged file can make the decoder fail in any way
        words = str(problem).strip().splitlines()
        raise DataError(
            f"{path} is a damaged Parquet file, or one of an unknown kind",
            evidence=f"{type(problem).__name__}: {words[0][:200] if words else ''}",
            remedy=_REFETCH,
        ) from None
    index = [name for name in frame.columns if _PANDAS_INDEX.fullmatch(name)]
    notes = [f"{path.name}: the index of a data frame was left out ({', '.join(index)})"] if index else []
    return frame.drop(index), notes


def _plain(series: pl.Series) -> pl.Series | str:
    """Return a column as Float64 or String, or, where it is neither, the word for what it holds."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric():  # decimals, too
        return series.cast(pl.Float64).fill_nan(None)
    if dtype == pl.Boolean:
        return series.cast(pl.String)
    if dtype == pl.Duration:
        return series.dt.total_nanoseconds().cast(pl.Float64) / 1e9
    if dtype == pl.Datetime:
        return series.dt.to_string("%Y-%m-%d %H:%M:%S")
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Date, pl.Time):
        return series.cast(pl.String)
    if dtype == pl.Null:
        return series.cast(pl.Float64)
    return "lists" if dtype in (pl.List, pl.Array) else "records" if dtype == pl.Struct else "bytes"


def _without_marks(column: pl.Series, marks: Counter[tuple[str, str]]) -> pl.Series:
    return without_marks(column.to_frame(), marks).to_series()
