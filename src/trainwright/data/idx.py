"""The IDX format of MNIST and its kin: unsigned bytes behind a header of sizes, plain or gzipped."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from trainwright.data.files import MOST_BYTES, opened, read_upto
from trainwright.errors import DataError

_TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
_REFETCH = "download or copy it again, and compare its size and checksum with the publisher's"


def is_idx(path: Path) -> bool:
    """Return whether the file starts like an IDX file: two zero bytes, which no text has, and a known type."""
    with opened(path) as stream:
        head = read_upto(stream, 4)
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _TYPES


def read_idx(path: Path, *, dimensions: int) -> np.ndarray:
    """Return the file's content: uint8, with as many dimensions as asked for (3 for images, 1 for labels).

    Raises `DataError` where it is no IDX file of unsigned bytes, has other dimensions, is empty, or is shorter or
    longer than its header says. A header cannot make this allocate more than the file holds.
    """
    with opened(path) as stream:
        sizes = _header(path, read_upto(stream, 4), dimensions, read_upto(stream, 4 * dimensions))
        expected = math.prod(sizes)
        if expected > MOST_BYTES:
            raise DataError(
                f"{path} is damaged, or too large to be held in memory",
                evidence=f"its header says {_by(sizes)} = {expected:,} bytes; at most {MOST_BYTES:,} are read",
                remedy=_REFETCH,
            )
        content = read_upto(stream, expected + 1)
    if len(content) != expected:
        found = f"{len(content):,} are there" if len(content) < expected else "more are there"
        raise DataError(
            f"{path} is {'truncated' if len(content) < expected else 'longer than its header says'}",
            evidence=f"its header says {_by(sizes)} = {expected:,} bytes; {found}",
            remedy=_REFETCH,
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(sizes)


def _header(path: Path, magic: bytearray, dimensions: int, sizes: bytearray) -> list[int]:
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise DataError(
            f"{path} is no IDX file",
            evidence=f"it starts with the bytes {magic.hex(' ') or '(none)'}, not 00 00 08 0{dimensions}",
            remedy=_REFETCH,
        )
    if magic[2] != 8:
        raise DataError(
            f"{path} holds numbers of an unexpected type",
            evidence=f"{_TYPES[magic[2]]}, where uint8 is needed",
            remedy="convert it to unsigned bytes (0 to 255)",
        )
    if magic[3] != dimensions:
        raise DataError(
            f"{path} has {magic[3]} dimension{'' if magic[3] == 1 else 's'}, not {dimensions}",
            evidence="image files have 3 (count, rows, columns), label files have 1",
            remedy="check that images and labels are not mixed up; give the images file as the source",
        )
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{path} is truncated", evidence="it ends within its header", remedy=_REFETCH)
    counts = np.frombuffer(bytes(sizes), dtype=">u4").tolist()
    if 0 in counts:
        raise DataError(f"{path} is empty", evidence=f"its header says {_by(counts)}", remedy=_REFETCH)
    return counts


def _by(sizes: list[int]) -> str:
    return " x ".join(f"{size:,}" for size in sizes)
