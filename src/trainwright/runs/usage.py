"""What the process of a run takes of its machine: memory and processors, as the system tells them in microseconds."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

EVERY = 10.0
"""Seconds from one look to the next: a leak or a starved processor shows in minutes, and lines should stay few ..."""
AT_EVALUATIONS = 1.0
"""... but an evaluation is looked at where it comes a second after the last look: over less, a share is noise."""


class Usage:
    """Looks at this process now and then; it waits for no accelerator."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._spent = time.process_time()
        self._looked = False

    def look(self, step: int, *, evaluated: bool) -> dict[str, Any] | None:
        """Return what the process takes at `step`, None where it is too soon to look again.

        `memory` is what it holds now, in bytes (Linux; None elsewhere); `device_memory` what its tensors hold on an
        accelerator, None where it uses none; `processors` how many processors it kept busy since the last look, all
        its threads together, and not the processes that it started.
        """
        now = time.monotonic()
        passed = now - self._at
        soonest = 0.0 if not self._looked else AT_EVALUATIONS
        if passed < (soonest if evaluated else EVERY):
            return None
        spent = time.process_time()
        busy = (spent - self._spent) / passed if passed > 0 else 0.0
        self._at, self._spent, self._looked = now, spent, True
        memory, device = resident(), allocated()
        return {"step": step, "memory": memory, "device_memory": device, "processors": round(busy, 4)}


def resident() -> int | None:
    """Return the bytes of memory that this process holds now, None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def allocated() -> int | None:
    """Return the bytes that tensors of this process hold on the accelerator in use, None where none is."""
    torch = sys.modules.get("torch")  # who trains has loaded it
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.memory_allocated())
