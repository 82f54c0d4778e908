"""A table from whatever file holds one, whole or in pieces: Parquet, told by its first bytes, else CSV."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trainwright.data.csvfile import open_sheet, read_table
from trainwright.data.parquetfile import is_parquet, parquet_pieces, read_parquet
from trainwright.data.rawtable import RawTable
from trainwright.errors import DataError, did_you_mean


def open_table(path: Path) -> RawTable:
    """Read a Parquet or a CSV file. Raises `DataError` where it is neither, or damaged."""
    return read_parquet(path) if is_parquet(path) else read_table(path)


def table_pieces(path: Path, rows: int, *, known: Collection[str] = ()) -> Iterator[RawTable]:
    """Yield a Parquet or CSV file in pieces of at most `rows` rows; what there is to note of it comes with the first.

    A first line of a CSV file that holds all of the names `known` is its header. Raises as `open_table` does.
    """
    if is_parquet(path):
        yield from parquet_pieces(path, rows)
        return
    sheet = open_sheet(path, known=known)
    for place, piece in enumerate(sheet.pieces(rows)):
        yield piece if place else replace(piece, notes=sheet.notes)


def check_column(name: str, names: Sequence[str], path: Path | str, setting: str) -> None:
    """Raise `DataError` with the nearest name where the table has no column called `name`."""
    if name not in names:
        raise DataError(
            f"{path} has no column '{name}'",
            evidence=f"{setting} names it; the columns are {', '.join(names)}",
            remedy=did_you_mean(name, names),
        )


def check_columns(names: Sequence[str], table: RawTable, setting: str) -> None:
    """Raise `DataError` for the first of `names` that the table lacks, or that holds what cannot be learnt from."""
    for name in names:
        if name in table.unreadable:
            raise DataError(
                f"column '{name}' of {table.path} holds {table.unreadable[name]}, neither numbers nor words",
                evidence=f"{setting} names it",
                remedy=f"store it as columns of numbers, or take '{name}' out of {setting}",
            )
        check_column(name, table.frame.columns, table.path, setting)
