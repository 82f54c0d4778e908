"""A file of lines that is only ever appended to, by one process at a time, and survives a kill at any byte.

Every line is JSON with a checksum of its body. A kill can leave one torn line, at the end: it was never acted on, and
the next writer cuts it off. Anything else that does not fit its checksum is damage: a wrong byte is set right, and of
more the writer keeps what stands before it, beside a copy of all.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainwright.errors import RunError
from trainwright.runs.small import open_regular
from trainwright.search.lock import held
from trainwright.search.mending import HEAD, body, check, mended, set_aside
from trainwright.search.owner import Owner

_MOST_BYTES = 2 * 2**30
"""Of a journal: some million trials."""


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
        self.notes: list[str] = []
        """What was set right in the file, and what was dropped."""
        self.wrong: dict[int, bytes] = {}
        """Where a line begins that has a wrong byte, and how it was written."""
        self.damaged: list[bytes] = []
        """The lines that follow the first that cannot be read."""
        self.orphaned = ""
        """Who held the lock last and was killed while holding it: host, number, start."""

    def new(self) -> list[dict[str, Any]]:
        """Return the lines that came since the last call. A torn last line is left for later.

        A line in the middle of which one byte is wrong is read as it was written. Raises `RunError` where more is
        damaged.
        """
        if self.path is None:
            lines, self._memory = self._memory, []
            return lines
        try:
            with open_regular(self.path) as file:
                large = os.fstat(file.fileno()).st_size - self._read > _MOST_BYTES
                file.seek(self._read)
                raw = b"" if large else file.read()
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise _no_journal(self.path, problem.strerror or str(problem)) from None
        if large:
            raise _no_journal(self.path, f"it is larger than {_MOST_BYTES // 2**30} GiB")
        lines, pieces = [], raw.split(b"\n")
        for place, piece in enumerate(pieces[:-1]):
            found = body(piece)
            if found is None and place + 2 == len(pieces) and not pieces[-1]:
                break  # the last line, torn
            if found is None:
                whole = mended(piece)
                found = None if whole is None else body(whole)
                if whole is not None:
                    self.wrong[self._read] = whole
            if found is None:
                self.damaged = pieces[place + 1 : -1]
                raise RunError(
                    f"line {self._lines + 1} of {self.path} is damaged",
                    evidence="its checksum does not fit, and more lines follow it",
                    remedy="restore the file from a copy, or stop all who work on the study and run it again",
                )
            lines.append(found)
            self._read += len(piece) + 1
            self._lines += 1
        return lines

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it. Call within `locked` and after `new`."""
        if self.path is None:
            self._memory.append(json.loads(json.dumps(line)))
            return
        text = json.dumps(line, separators=(",", ":")).encode()
        try:
            with open(self.path, "ab") as file:
                file.write(HEAD % check(text) + text + b"}\n")
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
        if self.path.is_symlink():  # what is torn there would be cut off, and what follows be written, elsewhere
            raise _no_journal(self.path, "it is a link")
        with held(self.path.with_suffix(".lock"), self.owner) as orphaned:
            self.orphaned = orphaned or self.orphaned
            lines = self._repaired()
            self._cut()
            yield lines

    def _repaired(self) -> list[dict[str, Any]]:
        """Return the new lines; write those right of which a byte was wrong, and set aside what cannot be read.

        What follows a damaged line was decided on it, and is decided again, alike: the file ends before it, as if the
        process had been killed there. Raises `RunError` where nothing stands before it, or somebody is at work on what
        would be cut off.
        """
        assert self.path is not None
        begun, first = self._read, self._lines
        try:
            lines = self.new()
        except RunError:
            following = [found for piece in self.damaged if (found := body(piece)) is not None]
            if begun or not self._read or any(_works(line, self.owner) for line in following):
                raise
            kept = self._read
            aside = set_aside(self.path, kept)
            self.notes.append(
                f"line {self._lines + 1} was damaged: it and the {len(self.damaged)} lines after it were dropped, to "
                f"be decided again; the file as it was is {aside.name}"
            )
            self._read, self._lines = begun, first
            lines = self.new()
        for place, whole in self.wrong.items():
            with open(self.path, "r+b") as file:
                file.seek(place)
                file.write(whole)
            self.notes.append(f"a wrong byte in the line at byte {place} was set right, by the line's checksum")
        self.wrong.clear()
        return lines

    def _cut(self) -> None:
        assert self.path is not None
        torn = self.path.stat().st_size - self._read if self.path.exists() else 0
        if torn > 0:
            os.truncate(self.path, self._read)
            self.repaired += torn


def _no_journal(path: Path, why: str) -> RunError:
    return RunError(f"{path} is no journal of a study", evidence=why, remedy="put the study's own file in its place")


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a whole journal at once: the file is the old one or the new one, whoever reads it meanwhile."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(aside, "wb") as file:
        for line in lines:
            text = json.dumps(line, separators=(",", ":")).encode()
            file.write(HEAD % check(text) + text + b"}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def _works(line: Mapping[str, Any], own: Owner) -> bool:
    """Say whether a line gives work to a process that is still there."""
    if line.get("kind") != "lease":
        return False
    owner = Owner(**line["owner"])
    return (owner.host, owner.pid) != (own.host, own.pid) and not owner.is_gone(time.time() - line["time"])
