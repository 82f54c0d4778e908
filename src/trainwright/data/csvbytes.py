"""The bytes of a text file, looked at once from beginning to end: encoding, hash, and whether they are text at all."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from trainwright.data.files import opened
from trainwright.errors import DataError

_CHUNK = 8 * 2**20
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # bytes that Windows-1252 has no character for
_MAGIC = {
    b"PK": "a zip archive or an Excel workbook",
    b"PAR1": "Parquet",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF",
    b"\x93NUMPY": "a single NumPy array; np.savez(file, x=..., y=...) keeps inputs and targets together",
}


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What the bytes of a text file are: the name of a codec, and the SHA-256 of the content, decompressed."""

    encoding: str
    fingerprint: str
    notes: tuple[str, ...] = ()


def scan(path: Path, most: int | None = None) -> Scan:
    """Look at every byte of a text file, gzipped or not, a few at a time.

    Raises `DataError` where the file is empty, above `most` bytes, no text, or neither UTF-8 nor Windows-1252.
    """
    sha = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, lines, head = 0, 0, b""
    strange: tuple[int, int] | None = None  # line and value of the first byte that is not UTF-8
    undefined = False
    with opened(path) as stream:
        for chunk in _chunks(stream):
            head = head or chunk[:8]
            sha.update(chunk)
            _check_text(path, chunk, size, head)
            size += len(chunk)
            if most is not None and size > most:
                raise DataError(
                    f"{path} is too large to be held in memory",
                    evidence=f"more than {most:,} bytes, decompressed",
                    remedy="train on a sample of its rows, or pass a DataLoader from Python",
                )
            if strange is None:
                strange = _not_utf8(decoder, chunk, lines)
            undefined = undefined or _UNDEFINED.search(chunk) is not None
            lines += chunk.count(b"\n")
    if size == 0:
        raise DataError(f"{path} is empty", evidence="0 bytes", remedy="check the download or the export that wrote it")
    if strange is None and decoder.getstate()[0]:  # ends within a character
        strange = lines + 1, decoder.getstate()[0][0]
    if strange is None:
        return Scan(encoding="utf-8-sig", fingerprint=sha.hexdigest())
    if undefined:
        raise DataError(
            f"{path} is text in an unknown encoding",
            evidence=f"line {strange[0]} holds the byte 0x{strange[1]:02x}, which is neither UTF-8 nor Windows-1252",
            remedy="save it as UTF-8",
        )
    note = f"{path.name}: line {strange[0]} is not UTF-8, so the file was read as Windows-1252 (Latin-1)"
    return Scan(encoding="cp1252", fingerprint=sha.hexdigest(), notes=(note,))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _check_text(path: Path, chunk: bytes, offset: int, head: bytes) -> None:
    binary = _CONTROL.search(chunk)
    if binary is not None:
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(
                f"{path} is a text in UTF-16, not in UTF-8",
                evidence=f"it begins with the bytes 0x{head[0]:02x} 0x{head[1]:02x}",
                remedy=f"convert it: iconv -f UTF-16 -t UTF-8 {path.name}; or save it as CSV UTF-8",
            )
        kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
        raise DataError(
            f"{path} is no text file",
            evidence=f"byte 0x{binary.group()[0]:02x} at offset {offset + binary.start():,}"
            + (f"; it looks like {kind}" if kind else ""),
            remedy="export the table as CSV in UTF-8 (a file in UTF-16 must be converted too)",
        )


def _not_utf8(decoder: codecs.IncrementalDecoder, chunk: bytes, lines: int) -> tuple[int, int] | None:
    """Return the line and the value of the first byte that is not UTF-8, None where all are; `lines` came before."""
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError as problem:
        return lines + problem.object.count(b"\n", 0, problem.start) + 1, problem.object[problem.start]
    return None
