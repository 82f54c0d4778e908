"""Who works on what: a process by host, number and start, so that a dead one is told from one with its number."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

SILENT_SECONDS = 3600.0
"""After so long without a line in the journal a process on another host, which nobody can ask, counts as gone."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One worker. `started` is the process's start in clock ticks since boot, "" where the system does not tell."""

    host: str
    pid: int
    started: str
    token: str

    def is_gone(self, silent: float) -> bool:
        """Return whether the process has ended; `silent` are the seconds since it was last heard of."""
        if self.host != socket.gethostname():
            return silent > SILENT_SECONDS
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # somebody else's, hence there
        return self.started != _started(self.pid)


def this_process() -> Owner:
    """Return a new owner in this process; each has a token of its own."""
    pid = os.getpid()
    return Owner(host=socket.gethostname(), pid=pid, started=_started(pid), token=uuid.uuid4().hex[:12])


def _started(pid: int) -> str:
    try:
        # The second field is the program's name in brackets, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else fields[19]
