"""A file of lines that is only ever appended to, by one process at a time, and survives a kill at any byte.

Every line is JSON with a checksum of its body. A kill can leave one torn line, at the end: it was never acted on, and
the next writer cuts it off. Anything else that does not fit its checksum is damage, and is reported.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainwright.errors import RunError
from trainwright.search.owner import Owner

_HEAD = b'{"check":"%s","body":'


class Journal:
    """Appends to and reads `path`; without a path the lines live in memory, for a search that nobody will resume."""

    def __init__(self, path: Path | None, owner: Owner) -> None:
        self.path = path
        self.owner = owner
        self._read = 0  # bytes of whole, checked lines
        self._lines = 0
        self._memory: list[dict[str, Any]] = []
        self.repaired = 0
        """Bytes of torn lines that were cut off."""
        self.orphaned = ""
        """Who held the lock last and was killed while holding it: host, number, start."""

    def new(self) -> list[dict[str, Any]]:
        """Return the lines that came since the last call. A torn last line is left for later.

        Raises `RunError` where a line in the middle is damaged.
        """
        if self.path is None:
            lines, self._memory = self._memory, []
            return lines
        try:
            with open(self.path, "rb") as file:
                file.seek(self._read)
                raw = file.read()
        except FileNotFoundError:
            return []
        lines, pieces = [], raw.split(b"\n")
        for place, piece in enumerate(pieces[:-1]):
            body = _body(piece)
            if body is None and place + 2 == len(pieces) and not pieces[-1]:
                break  # the last line, torn
            if body is None:
                raise RunError(
                    f"line {self._lines + 1} of {self.path} is damaged",
                    evidence="its checksum does not fit, and more lines follow it",
                    remedy="restore the file from a copy, or cut it before that line and resume",
                )
            lines.append(body)
            self._read += len(piece) + 1
            self._lines += 1
        return lines

    def append(self, body: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it. Call within `locked` and after `new`."""
        if self.path is None:
            self._memory.append(json.loads(json.dumps(body)))
            return
        text = json.dumps(body, separators=(",", ":")).encode()
        try:
            with open(self.path, "ab") as file:
                file.write(_HEAD % _check(text) + text + b"}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise RunError(
                f"the study's journal {self.path} could not be written",
                evidence=problem.strerror or str(problem),
                remedy="free space, and run the search again: it goes on where it stood",
            ) from None

    @contextmanager
    def locked(self) -> Iterator[list[dict[str, Any]]]:
        """Keep other processes out of the block, and give it what they have written.

        The lock is the kernel's and ends with its holder, however that ends. The file names the holder, for people.
        """
        if self.path is None:
            yield self.new()
            return
        with open(self.path.with_suffix(".lock"), "a+", encoding="utf-8") as file:
            try:
                _lock(file.fileno())
            except OSError as problem:
                raise RunError(
                    f"{file.name} cannot be locked",
                    evidence=problem.strerror or str(problem),
                    remedy="keep the study on a disk of this machine",
                ) from None
            file.seek(0)
            self.orphaned = file.read().strip() or self.orphaned
            file.seek(0)
            file.truncate()
            file.write(f"{self.owner.host} {self.owner.pid} {self.owner.started}\n")
            file.flush()
            try:
                lines = self.new()
                self._cut()
                yield lines
            finally:
                file.seek(0)
                file.truncate()
                file.flush()
                _unlock(file.fileno())

    def _cut(self) -> None:
        assert self.path is not None
        torn = self.path.stat().st_size - self._read if self.path.exists() else 0
        if torn > 0:
            os.truncate(self.path, self._read)
            self.repaired += torn


def _check(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=8).hexdigest().encode()


def _body(line: bytes) -> dict[str, Any] | None:
    start = len(_HEAD % (b"0" * 16))
    text = line[start:-1]
    if line[:start] != _HEAD % _check(text) or line[-1:] != b"}":
        return None
    return json.loads(text)


try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]

    def _unlock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]

else:

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
