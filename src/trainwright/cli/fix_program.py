"""The program that is to be mended, run again and again: to its end in the open, or for some steps in silence."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.healing.verdict import Trial

_TOLD = 12  # lines of what a program printed before it failed


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """What came of a run: its notes, None where it left none, its status, and what it printed last."""

    notes: dict[str, Any] | None
    status: int
    printed: str

    @property
    def watched(self) -> bool:
        """Whether the doctor saw it to its end: else what was not found may be there all the same."""
        return self.notes is not None and not self.notes["problem"]

    def trial(self) -> Trial:
        """Return the run as one half of a comparison."""
        notes = self.notes or {"findings": [], "losses": []}
        failed = (self.printed or f"status {self.status}") if self.status or not self.watched else ""
        return Trial(
            losses=tuple(notes["losses"]),
            kinds=frozenset(finding["kind"] for finding in notes["findings"]),
            failed=failed,
        )


class Program:
    """A program that is run again and again with the same arguments."""

    def __init__(self, command: Sequence[str], order: Mapping[str, str], startup: str) -> None:
        self._command, self._order, self._startup = list(command), dict(order) | {"json": ""}, startup

    def run(self, *, steps: int | None = None) -> TrialRun:
        """Run it: to its end, in the open; or for some steps, with all that it prints kept back."""
        from trainwright.watching.launch import start

        with tempfile.TemporaryDirectory() as folder, _waiting(patiently=steps is None):
            notes, log = Path(folder, "notes.json"), Path(folder, "log")
            order = self._order | {"notes": str(notes)}
            if steps is None:
                status = start(self._command, order, startup=self._startup, replace=False)
            else:
                order |= {"steps": str(steps), "quiet": "yes", "sarif": "", "github": "", "stop_on": ""}
                with open(log, "wb") as file:
                    status = start(self._command, order, startup=self._startup, replace=False, log=file)
            told = log.read_text(errors="replace") if log.exists() else ""
            return TrialRun(
                notes=json.loads(notes.read_text()) if notes.exists() else None,
                status=status,
                printed="\n".join(told.splitlines()[-_TOLD:]),
            )


@contextmanager
def _waiting(*, patiently: bool) -> Iterator[None]:
    """Wait for a program. With `patiently` Ctrl-C is the program's alone: it ends, and what was found is mended."""
    if not patiently or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
