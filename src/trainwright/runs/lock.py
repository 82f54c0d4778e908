"""One writer for each run folder: a file that names its owner, held by a lock of the system.

The system's lock is what decides, and a process that dies loses it, however it dies; the file says who it is. Locks
are those of POSIX records, which a forked data worker does not inherit, so that no orphan of a dead run holds on to it.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: there the file alone must tell
    fcntl = None

from trainwright.errors import RunError
from trainwright.runs import durable
from trainwright.runs.small import open_for_writing, parse

LOCK = "lock.json"
_held: set[Path] = set()  # in this process, to which its own locks are open


class RunLock:
    """The right to write the run in `folder`, from now until `release`. `taken_over` tells of an owner that is dead.

    Raises `RunError`, naming the owner, where another process holds it, or may: one on another machine cannot be seen.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self.taken_over: str | None = None
        self._key = self.path.absolute()
        if self._key in _held:
            raise _taken(folder, "this very process")
        durable.make_folder(folder)
        self._handle = _locked(folder, self.path)
        owner = _owner(self._handle)
        try:
            if owner:
                self._check(folder, owner)
                self.taken_over = f"{_said(owner)}, which is gone"
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(_this_process()).encode(), 0)
        except BaseException:
            os.close(self._handle)
            raise
        _held.add(self._key)

    def release(self) -> None:
        """Give the right back. Safe to call twice."""
        if self._key in _held:
            self.path.unlink(missing_ok=True)  # while it is still locked: who waits for it looks again
            os.close(self._handle)
            _held.discard(self._key)

    def _check(self, folder: Path, owner: Mapping[str, Any]) -> None:
        """Raise `RunError` where the owner that the file names may still be at work, whatever the lock says."""
        here = _this_process()
        if owner.get("host") != here["host"]:
            raise RunError(
                f"{folder} is being written, or was when its writer was cut off, on another machine",
                evidence=_said(owner),
                remedy=f"if no process there is at work on it any more, remove {self.path}",
            )
        same_boot = owner.get("boot") == here["boot"]
        if fcntl is None and same_boot and _began(int(owner.get("pid", 0))) == owner.get("began") is not None:
            raise _taken(folder, _said(owner))


def _locked(folder: Path, path: Path) -> int:
    """Return the lock file, open and locked. Raises `RunError` where another process has the lock."""
    while True:
        try:
            handle = open_for_writing(path, os.O_RDWR)
        except OSError as problem:
            if not os.path.lexists(path) or stat.S_ISREG(os.lstat(path).st_mode):
                raise  # a disk that takes nothing
            raise RunError(
                f"{path} is no file of ours",
                evidence="it is a link, or no regular file, and what is written to it would go elsewhere",
                remedy="remove it; it says who writes the run, and nothing else",
            ) from problem
        try:
            if fcntl is not None:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = os.stat(path).st_ino == os.fstat(handle).st_ino
        except FileNotFoundError:
            there = False
        except OSError:
            owner = _owner(handle)
            os.close(handle)
            raise _taken(folder, _said(owner) if owner else "another process") from None
        if there:
            return handle
        os.close(handle)  # its owner removed it in between: the name stands for another file now, or for none


def _owner(handle: int) -> dict[str, Any]:
    """Return whom an open lock file names; {} for nobody, or for what is torn."""
    try:
        owner = parse(os.pread(handle, 4096, 0).decode(errors="replace"))
        return owner if isinstance(owner, dict) else {}
    except ValueError:
        return {}


def _this_process() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "began": _began(os.getpid()),
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),  # for people alone
    }


def _began(pid: int) -> str | None:
    """Return when a process began, in the clock ticks of the machine, None for one that does not exist."""
    words = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return words[19] if len(words) > 19 else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _said(owner: Mapping[str, Any]) -> str:
    return f"process {owner.get('pid')} on {owner.get('host')}, since {owner.get('time')}"


def _taken(folder: Path, who: str) -> RunError:
    return RunError(
        f"{folder} is being written by another run",
        evidence=f"its owner is {who}",
        remedy="wait for it, end it, or choose another --folder",
    )
