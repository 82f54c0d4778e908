"""Every change that a run makes on the disk, one operation each: whole files, logs, renames, and what flushes them.

That they are in one place is what lets a test refuse the n-th of them, tear it, or end the process in it (`trapped`).
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from trainwright.errors import RunError
from trainwright.runs.small import open_regular

P = ParamSpec("P")
R = TypeVar("R")
Trap = Callable[..., Any]
"""`trap(operation, *arguments)` stands in for an operation: it calls it, or does not, and may raise."""

_traps: list[Trap] = []
TEMPORARY = "tmp-"
"""How the name of what is still being written begins: readers pass over it, and the next writer removes it."""


@contextmanager
def trapped(trap: Trap) -> Iterator[None]:
    """Let `trap` stand in for every operation of the block, in this process."""
    _traps.append(trap)
    try:
        yield
    finally:
        _traps.pop()


def _operation(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def carried_out(*arguments: P.args, **options: P.kwargs) -> R:
        if _traps:
            return _traps[-1](function, *arguments, **options)
        return function(*arguments, **options)

    return carried_out


@_operation
def make_folder(path: Path) -> None:
    """Make a folder, and those above it; one that is there already is as good."""
    path.mkdir(parents=True, exist_ok=True)


@_operation
def write(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Write a file: `content`, or what `content(path)` writes there."""
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)


@_operation
def append(path: Path, handle: int, content: bytes) -> int:
    """Append to the log at `path`, open as `handle`; return how many bytes went in, which may be fewer."""
    return os.write(handle, content)


@_operation
def sync(path: Path) -> None:
    """Wait until the disk has a file, or a folder's entries."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@_operation
def move(source: Path, target: Path) -> None:
    """Give a file or a folder another name, taking the place of a file that has it: at once, or not at all."""
    os.replace(source, target)


@_operation
def cut(path: Path, size: int) -> None:
    """Cut a file to its first `size` bytes."""
    os.truncate(path, size)


@_operation
def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; what is gone already is as good."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_synced(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Write a file and wait until the disk has it."""
    write(path, content)
    sync(path)


def replace(path: Path, content: str) -> None:
    """Write a whole file beside its place and move it there: a reader, or a power cut, sees the old text or the new."""
    temporary = temporary_beside(path)
    try:
        write_synced(temporary, content.encode())
        move(temporary, path)
    except OSError:
        remove(temporary)
        raise
    sync(path.parent)


def temporary_beside(path: Path) -> Path:
    """Return a free name in the same folder, known for a temporary one of this process."""
    return path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def check_writable(path: Path) -> None:
    """Raise `RunError` where nothing can be made at `path`: to be asked before long work. Leaves nothing behind."""
    parent = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    trial = parent / f"{TEMPORARY}{uuid.uuid4().hex[:8]}"
    try:
        make_folder(trial)
        remove(trial)
    except OSError as problem:
        raise RunError(
            f"{path} cannot be written",
            evidence=f"in {parent}: {problem.strerror or problem}",
            remedy="choose another folder",
        ) from None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a regular file, in hexadecimal digits. Raises `OSError` for anything else."""
    with open_regular(path) as file:
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
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")]:
            sync(file)
        check_unused(path, overwrite=overwrite)  # somebody else may have been there meanwhile
        if path.is_dir():  # a folder cannot be replaced in one step
            old = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}-old")
            move(path, old)
            move(temporary, path)
            remove(old)
        else:
            move(temporary, path)
        sync(path.parent)
    finally:
        remove(temporary)
