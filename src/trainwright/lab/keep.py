"""Keeps the columns of long runs in a cache folder, which may be deleted at any moment: it only saves reading again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from pathlib import Path

import numpy as np

from trainwright.lab.columns import Column
from trainwright.lab.follow import Follower

LEAST = 4 << 20
"""Bytes of a file from which keeping its columns pays: less is read anew in some tens of milliseconds."""
_VERSION = 2


def cache_folder() -> Path:
    """Return where viewers keep what they can make again: `$XDG_CACHE_HOME/trainwright/lab`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trainwright" / "lab"


def load(follower: Follower, folder: Path) -> bool:
    """Give a follower the columns that were kept for its file, and say whether there were any that fit."""
    path = _place(follower, folder)
    try:
        with open(path, "rb") as file:
            head = json.loads(file.readline(1 << 24))
            begin = file.tell()
        if head["version"] != _VERSION or path.stat().st_size != begin + head["bytes"]:
            return False
        numbers = np.memmap(path, dtype="<f8", mode="r", offset=begin)
        columns, place = {}, 0
        for tag, size in head["columns"]:
            columns[tag] = Column(numbers[place : place + size], numbers[place + size : place + 2 * size])
            place += 2 * size
        kinds = {str(module): str(kind) for module, kind in dict(head["kinds"]).items()}
        return follower.restore(columns, kinds, int(head["offset"]), head["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def save(follower: Follower, folder: Path) -> None:
    """Keep a follower's columns. A folder that cannot be written costs time the next time, nothing else."""
    if follower.offset < LEAST:
        return
    arrays = [array for column in follower.columns.values() for array in (column.x, column.y)]
    head = {
        "version": _VERSION,
        "offset": follower.offset,
        "identity": follower.identity(),
        "kinds": follower.kinds,
        "columns": [[tag, column.size] for tag, column in follower.columns.items()],
        "bytes": sum(array.nbytes for array in arrays),
    }
    text = json.dumps(head).encode()
    path = _place(follower, folder)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(text + b" " * (-(len(text) + 1) % 8) + b"\n")  # so that the numbers are aligned
            for array in arrays:
                file.write(array.astype("<f8").tobytes())
        temporary.replace(path)


def _place(follower: Follower, folder: Path) -> Path:
    name = hashlib.blake2b(os.fsencode(follower.path.absolute()), digest_size=12).hexdigest()
    return folder / f"{name}.columns"
