"""A file that one process at a time holds. The kernel lets it go when its holder ends, however that ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwright.errors import RunError
from trainwright.runs.small import open_for_writing, read_text
from trainwright.search.owner import Owner


@contextmanager
def held(path: Path, owner: Owner, *, waiting: Callable[[str], None] | None = None) -> Iterator[str]:
    """Keep other processes out of the block, and give it who held the file last and was killed while holding it.

    The file names its holder, for people: host, number, start. `waiting` is told who that is, before it is waited for.
    Raises `RunError` where the disk knows no locks, or something else lies in its place.
    """
    with os.fdopen(_opened(path), "r+", encoding="utf-8", errors="replace") as file:
        try:
            if not _lock_at_once(file.fileno()):
                if waiting is not None:
                    waiting(read_text(path).strip())
                _lock(file.fileno())
        except OSError as problem:
            raise RunError(
                f"{file.name} cannot be locked",
                evidence=problem.strerror or str(problem),
                remedy="keep the study on a disk of this machine",
            ) from None
        file.seek(0)
        orphaned = file.read(_LONGEST).strip()
        file.seek(0)
        file.truncate()
        file.write(f"{owner.host} {owner.pid} {owner.started}\n")
        file.flush()
        try:
            yield orphaned
        finally:
            file.seek(0)
            file.truncate()
            file.flush()
            _unlock(file.fileno())


_LONGEST = 4096  # of what such a file says


def _opened(path: Path) -> int:
    try:
        return open_for_writing(path, os.O_RDWR)
    except OSError as problem:
        raise RunError(
            f"{path} cannot be opened",
            evidence=problem.strerror or str(problem),
            remedy="it is a plain file that names who works on the study: remove what lies in its place",
        ) from None


try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    def _lock_at_once(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]

    def _unlock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]

else:

    def _lock_at_once(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
