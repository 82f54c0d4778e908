"""A Parquet file to columns of numbers and words: what each column holds is read from its type, not guessed."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from trainwright.data.files import MOST_BYTES, file_digest, opened, read_all, read_upto
from trainwright.data.rawtable import RawTable, missing_note, without_marks
from trainwright.data.remote import is_url, read_url
from trainwright.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_MAGIC = b"PAR1"
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
_REFETCH = "write or copy the file again"
Read = TypeVar("Read")


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
    _check_size(frame.height, frame.width, path)
    return _table(frame, path, notes, fingerprint=hashlib.sha256(content).hexdigest())


def parquet_pieces(path: Path, rows: int) -> Iterator[RawTable]:
    """Yield a Parquet file in pieces of at most `rows` rows, each as `read_parquet` reads it, without a fingerprint.

    Raises `DataError` where the file is damaged, or has no rows or columns.
    """
    import polars as pl

    def scan() -> pl.LazyFrame:
        with opened(path) as stream:
            compressed = isinstance(stream, gzip.GzipFile)
        return pl.scan_parquet(io.BytesIO(read_all(path)) if compressed else path, glob=False)

    source = _guarded(path, scan)
    height, names = _guarded(path, lambda: (source.select(pl.len()).collect().item(), source.collect_schema().names()))
    _check_size(height, len(names), path)
    kept, notes = _without_index(names, path)
    for start in range(0, height, rows):
        frame = _guarded(path, lambda start=start: source.select(kept).slice(start, rows).collect())
        yield _table(frame, path, notes if start == 0 else [], start=start)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a Parquet file holds: its rows, its columns but for a data frame's index, and the SHA-256 of its bytes."""

    rows: int
    names: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()


def parquet_shape(file: str) -> Form:
    """Return what a Parquet file holds, on this machine or behind a URL, reading no column.

    Raises `DataError` where it is damaged, or has no rows or columns.
    """
    import polars as pl

    path = Path(file)
    content = read_url(file) if is_url(file) else None
    source = _scanned(file, content)
    height, names = _guarded(path, lambda: (source.select(pl.len()).collect().item(), source.collect_schema().names()))
    _check_size(height, len(names), path)
    kept, notes = _without_index(names, path)
    digest = file_digest(path) if content is None else hashlib.sha256(content).hexdigest()
    return Form(rows=height, names=tuple(kept), digest=digest, notes=tuple(notes))


def parquet_cells(path: Path) -> int:
    """Return the number of cells of a Parquet file, from its last bytes alone."""
    import polars as pl

    with opened(path) as stream:
        if isinstance(stream, gzip.GzipFile):
            return 0
    source = _scanned(str(path), None)
    return _guarded(path, lambda: source.select(pl.len()).collect().item() * len(source.collect_schema()))


def parquet_slice(file: str, start: int, count: int, *, first: int) -> RawTable:
    """Return `count` rows of a Parquet file from row `start` on as a table; its first is row `first` of all files."""
    path, source = Path(file), _scanned(file, read_url(file) if is_url(file) else None)
    kept = _guarded(path, lambda: _without_index(source.collect_schema().names(), path)[0])
    frame = _guarded(path, lambda: source.select(kept).slice(start, count).collect())
    return _table(frame, path, (), start=first)


def _scanned(file: str, content: bytes | None) -> pl.LazyFrame:
    import polars as pl

    return _guarded(
        Path(file), lambda: pl.scan_parquet(io.BytesIO(content) if content is not None else Path(file), glob=False)
    )


def _table(frame: pl.DataFrame, path: Path, notes: Sequence[str], *, start: int = 0, fingerprint: str = "") -> RawTable:
    """Return a frame that was read as a table; its first row is row `start` of the file, counted from 0."""
    said = list(notes)
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
        said.append(missing_note(path.name, marks))
    if unreadable:
        named = ", ".join(f"'{name}' ({what})" for name, what in list(unreadable.items())[:8])
        said.append(f"{path.name}: columns that hold neither numbers nor words were left out: {named}")
    import polars as pl

    return RawTable(
        path=str(path),
        frame=pl.DataFrame(columns),
        lines=np.arange(start + 1, start + 1 + frame.height),
        separator=",",
        has_header=True,
        fingerprint=fingerprint,
        notes=tuple(said),
        typed=True,
        unit="row",
        unreadable=unreadable,
    )


def _check_size(height: int, width: int, path: Path) -> None:
    if width == 0 or height == 0:
        raise DataError(
            f"{path} holds no {'columns' if width == 0 else 'rows'}",
            evidence=f"{height} rows, {width} columns",
            remedy="check the program that wrote it",
        )


def _read(content: bytes, path: Path) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    def read() -> pl.DataFrame:
        rows = pl.scan_parquet(io.BytesIO(content)).select(pl.len()).collect().item()
        width = len(pl.read_parquet_schema(io.BytesIO(content)))
        if rows * width * 8 > MOST_BYTES:
            raise DataError(
                f"{path} is too large to be held in memory",
                evidence=f"{rows:,} rows of {width:,} columns are about {rows * width * 8:,} bytes",
                remedy="train on a sample of its rows, or pass a DataLoader from Python",
            )
        frame = pl.read_parquet(io.BytesIO(content))
        _check_words(frame, path)
        return frame

    frame = _guarded(path, read)
    kept, notes = _without_index(frame.columns, path)
    return frame.select(kept), notes


def _check_words(frame: pl.DataFrame, path: Path) -> None:
    """Raise `DataError` where words that the file holds once, and names often, would fill memory once for each cell."""
    import polars as pl

    size = 0
    for series in frame.iter_columns():
        if series.dtype in (pl.Categorical, pl.Enum):  # whose words are copied out for each cell, so they are counted
            words, counts = series.drop_nulls().value_counts().get_columns()
            size += int((words.cast(pl.String).str.len_bytes().cast(pl.Int64) * counts.cast(pl.Int64)).sum())
        elif series.dtype == pl.String:
            size += int(series.str.len_bytes().cast(pl.Int64).sum())
    if size > MOST_BYTES:
        raise DataError(
            f"{path} is too large to be held in memory",
            evidence=f"the words of its {frame.height:,} rows are {size:,} bytes",
            remedy="train on a sample of its rows, or leave the columns of long words out of the file",
        )


def _guarded(path: Path, read: Callable[[], Read]) -> Read:
    """Return what `read` gives; whatever its decoder complains of becomes a `DataError`."""
    from polars.exceptions import PanicException

    try:
        return read()
    except DataError:
        raise
    except (Exception, PanicException) as problem:  # a damaged file can make the decoder fail in any way
        words = str(problem).strip().splitlines()
        raise DataError(
            f"{path} is a damaged Parquet file, or one of an unknown kind",
            evidence=f"{type(problem).__name__}: {words[0][:200] if words else ''}",
            remedy=_REFETCH,
        ) from None


def _without_index(names: Sequence[str], path: Path) -> tuple[list[str], list[str]]:
    """Return the columns but for the index of a data frame, and a note where there is one."""
    index = [name for name in names if _PANDAS_INDEX.fullmatch(name)]
    notes = [f"{path.name}: the index of a data frame was left out ({', '.join(index)})"] if index else []
    return [name for name in names if name not in index], notes


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
