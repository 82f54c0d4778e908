"""A table that stays on disk: where its blocks of rows begin, and one block at a time as it is stored."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from trainwright.data.csvfile import Sheet, open_sheet, ragged
from trainwright.data.files import opened
from trainwright.data.parquetfile import is_parquet, parquet_shape, parquet_slice
from trainwright.data.rawtable import RawTable, without_marks
from trainwright.errors import DataError

if TYPE_CHECKING:
    import polars as pl

CSV_BLOCK = 2 * 2**20
"""Bytes of a block of a CSV file: its cells take about ten times as much while they are Python strings."""
PARQUET_BLOCK = 4 * 2**20
"""Bytes of a block of a Parquet file, counted as numbers of eight bytes."""
_LONGEST_LINE = 16 * 2**20  # a file without line ends would be read as one line, into memory


@dataclass(frozen=True, kw_only=True, eq=False)
class CsvBlocks:
    """The blocks of a CSV file. `offsets` are the bytes at which they begin, `lines` the lines, counted from 1."""

    sheet: Sheet
    path: str
    names: tuple[str, ...]
    has_header: bool
    rows: np.ndarray
    offsets: np.ndarray
    lines: np.ndarray
    fingerprint: str
    notes: tuple[str, ...]

    def read(self, block: int) -> RawTable:
        """Return a block of rows as text. Raises `DataError` where the file is not what it was."""
        import polars as pl

        begin, line, count = int(self.offsets[block]), int(self.lines[block]), int(self.rows[block])
        end = int(self.offsets[block + 1]) if block + 1 < len(self.offsets) else None
        with opened(Path(self.path)) as stream:
            stream.seek(begin)
            plain = self._plain(bytes(stream.read() if end is None else stream.read(end - begin)), count)
            if plain is not None:
                return self._table(plain, np.arange(line, line + count))
            stream.seek(begin)
            lines = _Lines(stream, self.sheet, begin, line)
            found = list(islice(lines.records(), count))
        for line, cells in found:
            if len(cells) != len(self.names):
                raise ragged(Path(self.path), line, cells, self.names)
        frame = pl.DataFrame([cells for _, cells in found], schema=dict.fromkeys(self.names, pl.String), orient="row")
        return self._table(frame, np.asarray([line for line, _ in found], dtype=np.int64))

    def _plain(self, content: bytes, rows: int) -> pl.DataFrame | None:
        """Return a block without quotes and blank lines, ten times as fast; None for any other."""
        import polars as pl

        if b'"' in content or len(self.names) < 2 or content.rstrip(b"\r\n").count(b"\n") != rows - 1:
            return None
        if self.sheet.encoding != "utf-8-sig":
            content = content.decode(self.sheet.encoding).encode()
        try:
            frame = pl.read_csv(
                content,
                has_header=False,
                separator=self.sheet.separator,
                quote_char=None,
                schema=dict.fromkeys(self.names, pl.String),
            )
        except pl.exceptions.PolarsError:  # the careful way says what is wrong
            return None
        return frame if frame.height == rows else None

    def _table(self, frame: pl.DataFrame, lines: np.ndarray) -> RawTable:
        return RawTable(
            path=self.path,
            frame=without_marks(frame, Counter()),
            lines=lines,
            separator=self.sheet.separator,
            has_header=self.has_header,
            fingerprint=self.fingerprint,
            notes=(),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ParquetBlocks:
    """The blocks of one Parquet file or of several, one after the other: slices that cross no file's end.

    A file that is not on this machine is read as a whole, and is one block.
    """

    path: str
    files: tuple[str, ...]
    names: tuple[str, ...]
    rows: np.ndarray
    slices: tuple[tuple[int, int], ...]  # of each block: the file, and the row of it at which the block begins
    starts: np.ndarray  # rows of the whole table before each block
    fingerprint: str
    notes: tuple[str, ...]
    has_header: bool = True

    def read(self, block: int) -> RawTable:
        """Return a block of rows. Raises `DataError` where the file is damaged."""
        file, start = self.slices[block]
        return parquet_slice(self.files[file], start, int(self.rows[block]), first=int(self.starts[block]))


TableBlocks = CsvBlocks | ParquetBlocks
"""A table in blocks: `rows` says how many each holds, `read` gives one, in any order and any thread."""


def csv_blocks(path: Path, size: int = CSV_BLOCK) -> CsvBlocks:
    """Find the blocks of a CSV file in one pass. Raises `DataError` as `open_sheet` does, and for a gzipped file."""
    sheet = open_sheet(path)
    with path.open("rb") as raw:
        if raw.read(2) == b"\x1f\x8b":
            raise DataError(
                f"{path} is gzipped, and cannot be read from the middle, as data larger than memory must be",
                remedy=f"decompress it (gunzip --keep {path.name}), or store it as Parquet, which is compressed, too",
            )
    offsets, lines, rows = [], [], []
    with opened(path) as stream:
        text = _Lines(stream, sheet, 0, 1)
        records = text.records()
        for _ in islice(records, sheet.skipped):
            pass
        begin, first, count = text.offset, text.line, 0
        for line, cells in records:
            count += 1
            if len(cells) != len(sheet.names):
                raise ragged(path, line, cells, sheet.names)
            if text.offset - begin >= size:
                offsets.append(begin)
                lines.append(first)
                rows.append(count)
                begin, first, count = text.offset, text.line, 0
        if count:
            offsets.append(begin)
            lines.append(first)
            rows.append(count)
    return CsvBlocks(
        sheet=sheet,
        path=str(path),
        names=sheet.names,
        has_header=sheet.has_header,
        rows=np.asarray(rows, dtype=np.int64),
        offsets=np.asarray(offsets, dtype=np.int64),
        lines=np.asarray(lines, dtype=np.int64),
        fingerprint=sheet.fingerprint,
        notes=sheet.notes,
    )


def parquet_blocks(
    path: str, files: tuple[str, ...], *, whole: bool = False, size: int = PARQUET_BLOCK
) -> ParquetBlocks:
    """Cut Parquet files into blocks, `whole` files where they lie elsewhere. Raises `DataError` where they differ."""
    names: tuple[str, ...] = ()
    rows, slices, starts, notes = [], [], [], []
    total = 0
    sha = hashlib.sha256()
    for place, file in enumerate(files):
        found = parquet_shape(file)
        if names and found.names != names:
            raise DataError(
                f"{file} has other columns than {files[0]}",
                evidence=f"{', '.join(found.names[:12])}; {', '.join(names[:12])}",
                remedy="give shards that were written with the same columns, in the same order",
            )
        names = found.names
        notes += [note for note in found.notes if note not in notes]
        sha.update(f"{Path(file).name}|{found.rows}|{found.digest}|".encode())
        step = max(1, found.rows if whole else size // (8 * max(1, len(names))))
        for start in range(0, found.rows, step):
            rows.append(min(step, found.rows - start))
            slices.append((place, start))
            starts.append(total + start)
        total += found.rows
    return ParquetBlocks(
        path=path,
        files=files,
        names=names,
        rows=np.asarray(rows, dtype=np.int64),
        slices=tuple(slices),
        starts=np.asarray(starts, dtype=np.int64),
        fingerprint=sha.hexdigest(),
        notes=tuple(notes),
    )


def table_blocks(path: Path) -> TableBlocks:
    """Return the blocks of a Parquet or CSV file on this machine."""
    return parquet_blocks(str(path), (str(path),)) if is_parquet(path) else csv_blocks(path)


class _Lines:
    """The lines of a CSV file from a byte on: `offset` and `line` are where the next record begins."""

    def __init__(self, stream: BinaryIO, sheet: Sheet, offset: int, line: int) -> None:
        self._stream, self._sheet = stream, sheet
        self.offset, self.line = offset, line

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the records that are not blank, each with the line at which it begins."""
        reader = csv.reader(self._texts(), delimiter=self._sheet.separator, skipinitialspace=True, strict=True)
        while True:
            line = self.line
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                raise DataError(
                    f"{self._sheet.path} cannot be read as CSV",
                    evidence=f"line {line}: {problem}",
                    remedy="check the quotes of that line, and that lines end with \\n or \\r\\n",
                ) from None
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield line, cells

    def _texts(self) -> Iterator[str]:
        encoding = "utf-8" if self._sheet.encoding == "utf-8-sig" else self._sheet.encoding
        while raw := self._stream.readline(_LONGEST_LINE):
            if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
                raise DataError(
                    f"{self._sheet.path} has a line of more than {_LONGEST_LINE:,} bytes",
                    evidence=f"line {self.line}",
                    remedy="check that its lines end with \\n or \\r\\n",
                )
            text = raw.decode(encoding)
            if self.offset == 0:
                text = text.removeprefix("\ufeff")
            self.offset += len(raw)
            self.line += 1
            yield text
