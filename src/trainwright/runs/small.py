"""The small files of a folder that somebody else may have made: regular, bounded, and JSON of a sane depth, or refused.

A pipe has no end until somebody writes to it, a device none at all, and a file of a terabyte may be a few bytes long on
the disk. All of them are an `OSError` here, and what is no JSON a `ValueError`, so that a reader needs no other words.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

MOST_BYTES = 256 * 2**20
"""Of one file that is read as a whole: the largest, the plain part of a checkpoint's state, has some megabytes."""


def open_regular(path: Path, *, linked: bool = True) -> BufferedReader:
    """Open a regular file for reading; with `linked` off, no link to one either. Raises `OSError` for anything else."""
    follow = 0 if linked else getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, os.O_RDONLY | follow | getattr(os, "O_NONBLOCK", 0))
    return open(_checked(handle, path), "rb")


def open_for_writing(path: Path, flags: int) -> int:
    """Open a file of ours by the system's `flags`, making it where it is missing; return the handle.

    Raises `OSError` where a link or something that is no regular file lies in its place: what is written would go
    somewhere else.
    """
    handle = os.open(path, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o644)
    return _checked(handle, path)


def read_text(path: Path) -> str:
    """Return the text of a small file. Raises `OSError`, and `ValueError` where it is not UTF-8."""
    with open_regular(path) as file:
        large = os.fstat(file.fileno()).st_size > MOST_BYTES
        content = b"" if large else file.read(MOST_BYTES + 1)  # it may grow meanwhile
    if large or len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES // 2**20} MiB", str(path))
    return content.decode("utf-8")


def read_json(path: Path) -> Any:
    """Return what a small file holds as JSON. Raises `OSError`, and `ValueError` where it is none."""
    return parse(read_text(path))


def parse(text: str) -> Any:
    """Return what `text` holds as JSON. Raises `ValueError` where it is none, or lists in lists without end."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _checked(handle: int, path: Path) -> int:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return handle
