"""Writes a mended program in place of the sick one, so that nothing can be lost: whole or not at all, with a copy."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwright.errors import RunError

_ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class MendedFile:
    """A file that was replaced, and the copy of it that lies beside it.

    Raises `RunError` where the file is not what the patch was made from, or cannot be written; then nothing was.
    """

    def __init__(self, file: str, before: bytes, after: bytes) -> None:
        self.path = Path(os.path.realpath(file))  # a link stays a link
        self._status = _check(self.path, before)
        self._before, self._after = before, after
        self.copy = _copy(self.path, before)
        _write(self.path, after, self._status)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Have the file as it was for a while; where somebody has changed it since, it stays as they left it."""
        ours = self.path.read_bytes() == self._after
        if ours:
            _write(self.path, self._before, self._status)
        try:
            yield
        finally:
            if ours and self.path.read_bytes() == self._before:
                _write(self.path, self._after, self._status)

    def restore(self) -> bool:
        """Put the file back as it was, and take the copy away; not where somebody has changed it since."""
        if self.path.read_bytes() != self._after:
            return False
        os.replace(self.copy, self.path)
        return True


def _check(path: Path, before: bytes) -> os.stat_result:
    try:
        status, content = path.stat(), path.read_bytes()
    except OSError as problem:
        raise RunError(f"{path} cannot be read", evidence=problem.strerror or str(problem)) from None
    if content != before:
        raise RunError(
            f"{path} has been changed since it was run",
            evidence="its content is not what the finding was made from",
            remedy="run it again",
        )
    if not status.st_mode & _ANY_WRITE or not os.access(path, os.W_OK):
        raise RunError(
            f"{path} is read-only", evidence=f"its mode is {stat.filemode(status.st_mode)}", remedy=f"chmod u+w {path}"
        )
    if not os.access(path.parent, os.W_OK):
        raise RunError(f"{path.parent} cannot be written in", remedy="apply the patch that is shown by hand")
    return status


def _copy(path: Path, content: bytes) -> Path:
    """Write a copy beside the file, under a name that nothing has: train.py.orig, train.py.orig.1, ..."""
    for number in range(1000):
        place = path.with_name(f"{path.name}.orig{f'.{number}' if number else ''}")
        try:
            with open(place, "xb") as copy:
                copy.write(content)
            shutil.copystat(path, place)
        except FileExistsError:
            continue
        except OSError as problem:
            raise RunError(f"{place} cannot be written", evidence=problem.strerror or str(problem)) from None
        return place
    raise RunError(f"there are a thousand copies of {path}", remedy=f"remove {path.name}.orig*")


def _write(path: Path, content: bytes, status: os.stat_result) -> None:
    """Replace a file at once: whoever reads it finds the old one or the new one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, stat.S_IMODE(status.st_mode))
        os.replace(name, path)
    except OSError as problem:
        os.unlink(name)
        raise RunError(f"{path} cannot be written", evidence=problem.strerror or str(problem)) from None
