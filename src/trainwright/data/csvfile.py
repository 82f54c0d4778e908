"""A CSV file to columns of text: encoding, separator, header and missing cells recognised, ragged lines refused."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from trainwright.data.csvbytes import scan
from trainwright.data.files import MOST_BYTES, opened
from trainwright.data.header import first_record_is_header, header_names
from trainwright.data.rawtable import MISSING, RawTable, missing_note, without_marks
from trainwright.errors import DataError

__all__ = ["RawTable", "Sheet", "open_sheet", "ragged", "read_table"]

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma"}
_COMMENT = ("#", "%", "|", "sep=")
_SAMPLE = 200  # records looked at to find the separator and the header
_CHUNK = 50_000  # records turned into columns at a time, so that few Python strings live at once

Record = tuple[int, list[str]]
"""The line at which a record begins, counted from 1, and its cells."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """How a CSV file is written, as a first pass over it found; `pieces` reads it, as often as is wanted.

    `names` are those of the columns, `skipped` the records above the first row: comments, and the header where
    `has_header`. `fingerprint` is the SHA-256 of the content, decompressed.
    """

    path: Path
    encoding: str
    separator: str
    names: tuple[str, ...]
    has_header: bool
    skipped: int
    fingerprint: str
    notes: tuple[str, ...]

    def pieces(self, rows: int = _CHUNK, *, marks: Counter[tuple[str, str]] | None = None) -> Iterator[RawTable]:
        """Yield the table in pieces of at most `rows` rows, so that memory does not grow with the file.

        `marks` gains how many cells of which column held which mark for "missing". Raises `DataError` where the file
        is ragged, or a quote is not closed.
        """
        import polars as pl

        counts: Counter[tuple[str, str]] = Counter() if marks is None else marks
        schema = dict.fromkeys(self.names, pl.String)
        with _text(self.path, self.encoding) as text:
            records = islice(_records(text, self.separator, self.path), self.skipped, None)
            while chunk := list(islice(records, rows)):
                for line, cells in chunk:
                    if len(cells) != len(self.names):
                        raise ragged(self.path, line, cells, self.names)
                frame = pl.DataFrame([cells for _, cells in chunk], schema=schema, orient="row")
                lines = np.asarray([line for line, _ in chunk], dtype=np.int64)
                yield self._table(without_marks(frame, counts), lines)

    def _table(self, frame: pl.DataFrame, lines: np.ndarray) -> RawTable:
        return RawTable(
            path=str(self.path),
            frame=frame,
            lines=lines,
            separator=self.separator,
            has_header=self.has_header,
            fingerprint=self.fingerprint,
            notes=(),
        )


def read_table(path: Path) -> RawTable:
    """Read a CSV file into memory: `open_sheet` says how."""
    import polars as pl

    sheet = open_sheet(path, most=MOST_BYTES)
    marks: Counter[tuple[str, str]] = Counter()
    pieces = list(sheet.pieces(marks=marks))
    return RawTable(
        path=str(path),
        frame=pl.concat([piece.frame for piece in pieces], rechunk=True),
        lines=np.concatenate([piece.lines for piece in pieces]),
        separator=sheet.separator,
        has_header=sheet.has_header,
        fingerprint=sheet.fingerprint,
        notes=(*sheet.notes, missing_note(path.name, marks)) if marks else sheet.notes,
    )


def open_sheet(path: Path, *, most: int | None = None, known: Collection[str] = ()) -> Sheet:
    """Find out how a CSV file is written, gzipped or not, with commas, semicolons or tabs, with a header or without.

    Leading lines that begin with #, %, | or sep= and have another number of cells are skipped, as are blank lines.
    Text is UTF-8, with or without a byte order mark, else Windows-1252. A first record that holds all of the names
    `known`, one at least, is the header. Raises `DataError` where the file is empty, binary or above `most` bytes,
    where a quote is not closed in the first records, where two columns share a name, and where there is no row.
    """
    found = scan(path, most)
    notes = list(found.notes)
    separator, width = _sniff(path, found.encoding)
    with _text(path, found.encoding) as text:
        sample = list(islice(_records(text, separator, path), _SAMPLE))
    comments = 0
    while sample and sample[0][1][0].startswith(_COMMENT) and len(sample[0][1]) != width:
        sample.pop(0)
        comments += 1
    if comments:
        notes.append(f"{path.name}: {comments} leading comment line{'s were' if comments > 1 else ' was'} skipped")
    if not sample:
        raise DataError(f"{path} holds no rows", evidence="blank lines only", remedy="check the export that wrote it")
    cells = [row for _, row in sample]
    named = bool(known) and set(known) <= {" ".join(cell.split()) for cell in cells[0]}
    has_header = named or first_record_is_header(cells, MISSING)
    names = (
        header_names(cells[0], path, sample[0][0]) if has_header else [f"column_{i + 1}" for i in range(len(cells[0]))]
    )
    if not has_header:
        notes.append(
            f"{path.name}: the first line looks like data, so there is no header and the columns are called "
            f"column_1 to column_{len(names)}"
        )
    if has_header and len(sample) == 1:
        raise DataError(
            f"{path} holds a header and no rows",
            evidence=f"line {sample[0][0]}: {', '.join(names[:8])}",
            remedy="check the export that wrote it",
        )
    return Sheet(
        path=path,
        encoding=found.encoding,
        separator=separator,
        names=tuple(names),
        has_header=has_header,
        skipped=comments + has_header,
        fingerprint=found.fingerprint,
        notes=tuple(notes),
    )


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[TextIO]:
    with opened(path) as stream, io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        yield text


def _sniff(path: Path, encoding: str) -> tuple[str, int]:
    """Return the separator under which most of the first records have the same number of cells, and that number."""
    best, best_score, best_width = ",", (False, 0.0), 1
    for separator in SEPARATORS:  # in this order: a decimal comma must not win over the semicolon beside it
        widths: Counter[int] = Counter()
        try:
            with _text(path, encoding) as text:
                reader = csv.reader(text, delimiter=separator, skipinitialspace=True)
                widths.update(len(row) for row in islice(reader, _SAMPLE) if not _is_void(row))
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        score = (width > 1, count / widths.total())
        if score > best_score:
            best, best_score, best_width = separator, score, width
    return best, best_width


def _records(text: TextIO, separator: str, path: Path) -> Iterator[Record]:
    reader = csv.reader(text, delimiter=separator, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise DataError(
                f"{path} cannot be read as CSV",
                evidence=f"line {line}: {problem}",
                remedy='check the quotes of that line: a quoted cell is "...", and a quote within it is doubled',
            ) from None
        if not _is_blank(cells):
            yield line, cells


def _is_blank(cells: list[str]) -> bool:
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _is_void(cells: list[str]) -> bool:
    """Return whether the record says nothing about the number of columns."""
    return _is_blank(cells) or (len(cells) == 1 and cells[0].startswith(_COMMENT))


def ragged(path: Path, line: int, cells: list[str], names: tuple[str, ...]) -> DataError:
    """Return the error that says that a line has more or fewer cells than there are columns."""
    count = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
    start = ", ".join(cells)[:60]
    return DataError(
        f"{path} is ragged: line {line} has {count}, where {len(names)} are expected",
        evidence=f"line {line}: {start}{'...' if len(start) == 60 else ''}; columns: {', '.join(names[:12])}",
        remedy="complete or remove the line; quote cells that hold the separator",
    )
