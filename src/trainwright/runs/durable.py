"""Files that outlive a power cut: flushed to the disk, known by their hash, and whole or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwright.errors import RunError


def sync(path: Path) -> None:
    """Wait until the disk has a file, or a folder's entries."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_unused(path: Path, *, overwrite: bool) -> None:
    """Raise `RunError` where `path` exists, unless it may be overwritten."""
    if path.exists() and not overwrite:
        raise RunError(
            f"{path} exists already",
            evidence="nothing is overwritten unless it is asked for",
            remedy="choose another --output, or give --overwrite",
        )


@contextmanager
def whole(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give the block a place beside `path` for a file or a folder, and move it there when the block is done.

    Where the block raises, or the process is killed, `path` is as it was before. Raises `RunError` where it exists
    already, unless it may be overwritten.
    """
    check_unused(path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")]:
            sync(file)
        check_unused(path, overwrite=overwrite)  # somebody else may have been there meanwhile
        if path.is_dir():  # a folder cannot be replaced in one step
            old = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}-old")
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(path)
        sync(path.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
