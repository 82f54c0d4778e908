"""Where a source lies and what its bytes are; every failure is one clear error."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from trainwright.errors import DataError, did_you_mean, nearest

ROOT_VARIABLE = "TRAINWRIGHT_DATA"
"""Environment variable: the folder that relative sources are looked for in."""
MOST_BYTES = 4 * 2**30
"""Largest size, decompressed, of one source file: everything is held in memory."""
_CHUNK = 8 * 2**20
_GZIP = b"\x1f\x8b"
MOST_EXPANSION = 500
"""Times its packed size that data may unpack to. One-hot tables of 1,000 columns come to 400; bombs, to 1,000."""
SMALL_BYTES = 256 * 2**20
"""Up to here data may unpack from as little as they like: so much does no harm."""
_LONGEST_SHOWN = 200  # characters of a name that leads nowhere


def locate(source: str, *, folder: str | None, data_root: str | None, names: Iterable[str] = ()) -> Path:
    """Return where `source` lies: an absolute path itself, else within `folder`, the data root, or the current folder.

    Without `data_root`, the root is the environment variable `TRAINWRIGHT_DATA`. `names` are known besides files, for
    the nearest spelling. Raises `DataError` listing every place tried where nothing is found.
    """
    places = _places(source, folder, data_root)
    for place in places:
        if _exists(place):
            return place
    names = list(names)
    shown = source if len(source) <= _LONGEST_SHOWN else f"{source[:_LONGEST_SHOWN]} ..."
    guesses = [guess for place in places if (guess := _neighbour(place)) is not None]
    remedy = f"did you mean '{guesses[0]}'?" if guesses else did_you_mean(source, names) if names else ""
    if guesses and (name := nearest(source, names)) is not None:
        remedy += f" Or the data set '{name}'?"
    if not guesses:
        remedy += "" if not remedy else " " if remedy.endswith("?") else ". "
        remedy += f"Give the path of a CSV file, of an IDX file or of a folder of them; {ROOT_VARIABLE} sets the root"
    dangling = next((place for place in places if _is_link(place)), None)
    if dangling is not None:
        raise DataError(
            f"the data '{shown}' cannot be found",
            evidence=f"{dangling} is a link to {os.readlink(dangling)}, which leads nowhere",
            remedy="mend the link, or give the path of the file itself",
        )
    raise DataError(
        f"the data '{shown}' cannot be found",
        evidence="tried " + ", ".join(str(place) for place in places),
        remedy=remedy.strip(),
    )


def _places(source: str, folder: str | None, data_root: str | None) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_absolute():
        return [path]
    roots = [folder, data_root or os.environ.get(ROOT_VARIABLE), Path.cwd()]
    return list(dict.fromkeys(Path(root).expanduser() / path for root in roots if root))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL
        return False


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except (OSError, ValueError):
        return False


def _neighbour(missing: Path) -> Path | None:
    """Return what exists beside the first part of the path that does not, with the nearest name."""
    present = missing.parent
    wanted = missing.name
    while not _exists(present) and present != present.parent:
        wanted, present = present.name, present.parent
    guess = nearest(wanted, listing(present))
    return present / guess if guess else None


def listing(folder: Path) -> list[str]:
    """Return the sorted names in a folder, none where it cannot be listed."""
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading, decompressed where its first bytes say gzip, whatever its name says.

    Within the block, what the system or the decompressor complains of becomes a `DataError`.
    """
    try:
        if not path.is_file():
            raise DataError(f"{path} is no regular file", remedy="give the path of a data file")
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP
            raw.seek(0)
            if not compressed:
                yield raw
                return
            with _Unpacked(raw) as stream:
                yield cast(BinaryIO, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise DataError(
            f"{path} is a damaged gzip file",
            evidence=str(problem),
            remedy="download or copy it again, and compare its size and checksum with the publisher's",
        ) from None
    except OSError as problem:
        raise DataError(
            f"{path} cannot be read", evidence=problem.strerror or str(problem), remedy="check its permissions"
        ) from None


class _Unpacked(gzip.GzipFile):
    """A gzip file that is refused while it is read, once it has unpacked to far more than data do."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__(fileobj=raw)
        self._raw = raw

    def read(self, size: int | None = -1) -> bytes:
        """Read as any gzip file does. Raises `DataError` where it is a bomb."""
        content = super().read(size)
        check_expansion(str(self._raw.name), self.tell(), self._raw.tell())
        return content


def check_expansion(path: str, unpacked: int, packed: int) -> None:
    """Raise `DataError` where `packed` bytes of a file become so many that it was made to fill memory or disk."""
    if unpacked > max(SMALL_BYTES, MOST_EXPANSION * packed):
        raise DataError(
            f"{path} expands like a decompression bomb, and was not read further",
            evidence=f"{packed:,} bytes are {unpacked:,} when they are unpacked; data come to at most "
            f"{MOST_EXPANSION} times",
            remedy="where you trust it, unpack it yourself, and give what came of it",
        )


def read_upto(stream: BinaryIO, count: int) -> bytearray:
    """Return at most `count` bytes, fewer at the end. Memory grows with what is there, not with what was asked for."""
    content = bytearray()
    while len(content) < count and (chunk := stream.read(min(_CHUNK, count - len(content)))):
        content += chunk
    return content


def read_all(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the whole content of a file, decompressed. Raises `DataError` where it is empty or above `most` bytes."""
    with opened(path) as stream:
        content = read_upto(stream, most + 1)
    if not content:
        raise DataError(f"{path} is empty", evidence="0 bytes", remedy="check the download or the export that wrote it")
    if len(content) > most:
        raise DataError(
            f"{path} is too large to be held in memory",
            evidence=f"more than {most:,} bytes, decompressed",
            remedy="train on a sample of its rows, or pass a DataLoader from Python",
        )
    return bytes(content)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, decompressed, read a piece at a time."""
    sha = hashlib.sha256()
    with opened(path) as stream:
        while chunk := stream.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()
