"""A file of lines that only grows: what a full disk refuses is kept and tried again, and no line is written twice."""

from __future__ import annotations

import os
import time
from pathlib import Path

from trainwright.errors import RunError
from trainwright.runs import durable
from trainwright.runs.small import open_for_writing

_FLUSH_SECONDS = 0.5  # what a killed run may lose of its curves; findings and evaluations are flushed at once
MOST_WAITING = 64 * 2**20
"""Bytes that wait for a disk that takes none, before the run is ended: some hundred thousand steps."""


def _opened(path: Path) -> int:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise RunError(
            f"{path} is a link, or no regular file",
            evidence="what is recorded would go elsewhere, and what is there be cut off",
            remedy="put the file itself in its place",
        )
    return open_for_writing(path, os.O_WRONLY | os.O_APPEND)


class LineLog:
    """The lines of one file. The file is cut to `size` bytes first, where that is given, else it is continued."""

    def __init__(self, path: Path, size: int | None = None) -> None:
        self.path = path
        self._handle = _opened(path)
        if size is not None:
            durable.cut(path, size)
        self._waiting = bytearray()
        self._written = os.fstat(self._handle).st_size
        self._flushed = time.monotonic()

    def add(self, line: str, *, soon: bool = False) -> None:
        """Add a line; with `soon` it is handed to the system now."""
        self._waiting += line.encode() + b"\n"
        if soon or time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._flushed = time.monotonic()
            try:
                self.flush()
            except OSError as problem:
                if len(self._waiting) > MOST_WAITING:
                    raise RunError(
                        f"{self.path} cannot be written any more",
                        evidence=f"{problem.strerror or problem}; {len(self._waiting):,} bytes wait for it",
                        remedy="make room, then resume the run from its last checkpoint",
                    ) from None

    def flush(self) -> int:
        """Hand all lines to the system; return the length of the file. Raises `OSError` where the disk refuses."""
        while self._waiting:
            taken = durable.append(self.path, self._handle, bytes(self._waiting))
            del self._waiting[:taken]
            self._written += taken
        return self._written

    def close(self) -> None:
        """Hand over what waits, wait until the disk has it, and close the file. Safe to call twice."""
        if self._handle < 0:
            return
        self.flush()
        durable.sync(self.path)
        os.close(self._handle)
        self._handle = -1
