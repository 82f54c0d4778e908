"""Predictions to a file, row by row: CSV or Parquet, whole or not there."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from trainwright.errors import UsageError
from trainwright.report.safe import visible
from trainwright.runs.durable import whole

ENDINGS = (".csv", ".parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets begin a formula with
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_COUNTS = ("row", "character", "characters")  # columns of whole numbers


def check_ending(path: Path) -> None:
    """Raise `UsageError` unless `path` is "-" or ends as a file of predictions does."""
    if str(path) != "-" and path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"predictions are written as {' or '.join(ENDINGS)}",
            evidence=f"--output {path}",
            remedy=f"--output {path.with_suffix('.csv')}, or - for CSV on standard output",
        )


def as_written(text: str) -> str:
    """Return `text` as it is, and as it is meant: by its values."""
    return text


def inert(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula: behind an apostrophe, unless it is a number."""
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def shown(text: str) -> str:
    """Return `text` inert, and with what a terminal would obey escaped."""
    return inert(visible(text, keep="\n"))


class Writer:
    """Takes rows as they come, so that memory does not grow with them. `word` says how words are written."""

    def __init__(self, file: TextIO, word: Callable[[str], str]) -> None:
        self._word = word
        self._csv = csv.writer(file, lineterminator="\n")
        self.columns: list[str] = []
        self._floats: set[int] = set()

    def begin(self, columns: Sequence[str]) -> None:
        """Write the names of the columns."""
        self.columns = list(columns)
        self._csv.writerow([self._word(name) for name in columns])

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write some rows; numbers with the nine digits that tell any two float32 apart."""
        for row in rows:
            self._floats.update(place for place, value in enumerate(row) if isinstance(value, float))
            self._csv.writerow([self._cell(value) for value in row])

    def _cell(self, value: Any) -> Any:
        if isinstance(value, float):
            return f"{value:.9g}"
        return self._word(value) if isinstance(value, str) else value

    def types(self) -> dict[str, Any]:
        """Return what each column holds, for polars."""
        import polars as pl

        return {
            name: pl.Float64 if place in self._floats else pl.Int64 if place == 0 and name in _COUNTS else pl.String
            for place, name in enumerate(self.columns)
        }


@contextmanager
def writing(path: Path | None, *, overwrite: bool) -> Iterator[Writer | None]:
    """Give the block a writer for `path`, "-" for standard output, None for none; the file is there when it is done."""
    if path is None:
        yield None
    elif str(path) == "-":
        yield Writer(sys.stdout, shown)
        sys.stdout.flush()
    else:
        with whole(path, overwrite=overwrite) as place:
            raw = place.with_name(f"{place.name}.csv")
            try:
                with open(raw, "w", encoding="utf-8", newline="") as file:
                    writer = Writer(file, as_written if path.suffix.lower() == ".parquet" else inert)
                    yield writer
                if path.suffix.lower() == ".parquet":
                    import polars as pl

                    pl.scan_csv(raw, schema=writer.types(), glob=False).sink_parquet(place)
                else:
                    raw.rename(place)
            finally:
                raw.unlink(missing_ok=True)
