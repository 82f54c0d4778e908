"""A CSV file to columns of text: encoding, separator, header and missing cells recognised, ragged lines refused."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainwright.data.files import read_all
from trainwright.data.header import first_record_is_header, header_names
from trainwright.data.rawtable import MISSING, RawTable, missing_note, without_marks
from trainwright.errors import DataError

__all__ = ["RawTable", "read_table"]

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma"}
_COMMENT = ("#", "%", "|", "sep=")
_SAMPLE = 200  # records looked at to find the separator and the header
_CHUNK = 50_000  # records turned into columns at a time, so that few Python strings live at once
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_MAGIC = {
    b"PK": "a zip archive or an Excel workbook",
    b"PAR1": "Parquet",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF",
    b"\x93NUMPY": "a single NumPy array; np.savez(file, x=..., y=...) keeps inputs and targets together",
}

Record = tuple[int, list[str]]
"""The line at which a record begins, counted from 1, and its cells."""


def read_table(path: Path) -> RawTable:
    """Read a CSV file, gzipped or not, separated by commas, semicolons or tabs, with a header or without.

    Leading lines that begin with #, %, | or sep= and have another number of cells are skipped, as are blank lines.
    Text is UTF-8, with or without a byte order mark, else Windows-1252. Raises `DataError` where the file is empty,
    binary, or ragged, where a quote is not closed, or where two columns share a name.
    """
    content = read_all(path)
    text, notes = _decode(content, path)
    separator, width = _sniff(text)
    records = _records(text, separator, path)
    sample = list(islice(records, _SAMPLE))
    comments = 0
    while sample and sample[0][1][0].startswith(_COMMENT) and len(sample[0][1]) != width:
        sample.pop(0)
        comments += 1
    if comments:
        notes.append(f"{path.name}: {comments} leading comment line{'s were' if comments > 1 else ' was'} skipped")
    if not sample:
        raise DataError(f"{path} holds no rows", evidence="blank lines only", remedy="check the export that wrote it")
    cells = [row for _, row in sample]
    has_header = first_record_is_header(cells, MISSING)
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
    frame, lines, marks = _columns(sample[has_header:], records, names, path)
    if marks:
        notes.append(missing_note(path.name, marks))
    return RawTable(
        path=str(path),
        frame=frame,
        lines=lines,
        separator=separator,
        has_header=has_header,
        fingerprint=hashlib.sha256(content).hexdigest(),
        notes=tuple(notes),
    )


def _decode(content: bytes, path: Path) -> tuple[str, list[str]]:
    binary = _CONTROL.search(content)
    if binary is not None:
        kind = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), "")
        raise DataError(
            f"{path} is no text file",
            evidence=f"byte 0x{binary.group()[0]:02x} at offset {binary.start():,}"
            + (f"; it looks like {kind}" if kind else ""),
            remedy="export the table as CSV in UTF-8 (a file in UTF-16 must be converted too)",
        )
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        byte = content[problem.start]
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise DataError(
            f"{path} is text in an unknown encoding",
            evidence=f"line {line} holds the byte 0x{byte:02x}, which is neither UTF-8 nor Windows-1252",
            remedy="save it as UTF-8",
        ) from None
    return text, [f"{path.name}: line {line} is not UTF-8, so the file was read as Windows-1252 (Latin-1)"]


def _sniff(text: str) -> tuple[str, int]:
    """Return the separator under which most of the first records have the same number of cells, and that number."""
    best, best_score, best_width = ",", (False, 0.0), 1
    for separator in SEPARATORS:  # in this order: a decimal comma must not win over the semicolon beside it
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        widths: Counter[int] = Counter()
        try:
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


def _records(text: str, separator: str, path: Path) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
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


def _columns(
    sample: list[Record], records: Iterator[Record], names: list[str], path: Path
) -> tuple[pl.DataFrame, np.ndarray, Counter[tuple[str, str]]]:
    """Return the columns, the line of each row, and how many cells of which column held which mark for "missing"."""
    import polars as pl

    schema = dict.fromkeys(names, pl.String)
    frames: list[pl.DataFrame] = []
    lines: list[int] = []
    marks: Counter[tuple[str, str]] = Counter()
    chunk = sample
    while chunk:
        for line, cells in chunk:
            if len(cells) != len(names):
                raise _ragged(path, line, cells, names)
        lines += [line for line, _ in chunk]
        frame = pl.DataFrame([cells for _, cells in chunk], schema=schema, orient="row")
        frames.append(without_marks(frame, marks))
        chunk = list(islice(records, _CHUNK))
    return pl.concat(frames, rechunk=True), np.asarray(lines, dtype=np.int64), marks


def _ragged(path: Path, line: int, cells: list[str], names: list[str]) -> DataError:
    count = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
    start = ", ".join(cells)[:60]
    return DataError(
        f"{path} is ragged: line {line} has {count}, where {len(names)} are expected",
        evidence=f"line {line}: {start}{'...' if len(start) == 60 else ''}; columns: {', '.join(names[:12])}",
        remedy="complete or remove the line; quote cells that hold the separator",
    )
