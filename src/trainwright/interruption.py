"""Being asked to stop: a signal, or a limit of time, sets a flag; whoever works for long polls it between two pieces.

Nothing is done in the handler itself: it may run in the middle of an update, and what is saved there is half a step.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_TIME = 130, 143, 124
"""Exit status after Ctrl-C and after SIGTERM, as a shell counts them, and after `--max-time`, as `timeout` has it."""


_TIME_IS_UP = "the time that it was given is up"


class Interrupted(KeyboardInterrupt):
    """Raised by `poll`, never by a signal handler: where it is raised, no piece of work is half done."""

    def __init__(self, reason: str, exit_status: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exit_status = exit_status


def status_of(reason: str) -> int:
    """Return the exit status of a run that was interrupted for `reason`."""
    if reason.startswith(_TIME_IS_UP):
        return EXIT_TIME
    return next((status for _, said, status in _OURS.values() if said == reason), EXIT_INTERRUPTED)


class _Request:
    """What was asked for in this process."""

    def __init__(self) -> None:
        self.pending: Interrupted | None = None
        self.deadline: float | None = None
        self.limit = ""

    def of_time(self) -> Interrupted | None:
        if self.deadline is None or time.monotonic() < self.deadline:
            return None
        self.deadline = None  # once is enough: what saves and concludes polls too
        return Interrupted(f"{_TIME_IS_UP}: {self.limit}", EXIT_TIME)


_request = _Request()


def poll() -> None:
    """Raise `Interrupted` where somebody asked to stop. Called between pieces of work; it costs next to nothing."""
    if _request.pending is None and _request.deadline is None:
        return
    asked, _request.pending = _request.pending or _request.of_time(), None
    if asked is not None:
        raise asked


def asked_for() -> int:
    """Return the exit status of what `poll` would raise now, 0 where nobody has asked to stop."""
    if _request.pending is None:
        _request.pending = _request.of_time()
    return 0 if _request.pending is None else _request.pending.exit_status


def interrupt(exit_status: int) -> NoReturn:
    """Raise `Interrupted` as `poll` does, where another process of the same work was asked to stop, or this one."""
    asked, _request.pending = _request.pending, None
    if asked is not None and asked.exit_status == exit_status:
        raise asked
    said = {status: reason for _, reason, status in _OURS.values()} | {EXIT_TIME: _TIME_IS_UP}
    raise Interrupted(said.get(exit_status, "interrupted"), exit_status)


@contextmanager
def listening(*, own: bool = True, max_seconds: float | None = None, limit: str = "") -> Iterator[None]:
    """For the block, let Ctrl-C, SIGTERM, and the end of `max_seconds` ask it to stop.

    A second Ctrl-C leaves the process at once: all that is on disk is whole at any moment. In a process that is not our
    `own`, it is the usual KeyboardInterrupt, and SIGTERM is not listened to. Handlers are put back afterwards. Those of
    somebody else are left alone, and so is every other thread than the main one, which alone may set any. `limit` is
    how the user wrote the time.
    """
    before = _set_handlers(own)
    if max_seconds is not None:
        _request.deadline, _request.limit = time.monotonic() + max_seconds, limit
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if before:
            _request.pending = None
        if max_seconds is not None:
            _request.deadline = None


_OURS = {
    signal.SIGINT: (signal.default_int_handler, "interrupted from the keyboard", EXIT_INTERRUPTED),
    signal.SIGTERM: (signal.SIG_DFL, "told to end (SIGTERM)", EXIT_TERMINATED),
}
"""The signals, the handler of a process that has set none, and what each asks for."""


def _set_handlers(own: bool) -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    owner, interrupts = os.getpid(), [0]

    def ask(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked data worker: Ctrl-C reaches the whole group, and the parent decides
            return
        if number == signal.SIGINT:
            interrupts[0] += 1
            if interrupts[0] > 1 and own:
                _leave()
            if interrupts[0] > 1:
                raise KeyboardInterrupt
        _, reason, status = _OURS[signal.Signals(number)]
        _request.pending = Interrupted(reason, status)

    wanted = (signal.SIGINT, signal.SIGTERM) if own else (signal.SIGINT,)
    free = [number for number in wanted if signal.getsignal(number) == _OURS[number][0]]
    return {number: signal.signal(number, ask) for number in free}


def _leave() -> None:
    """End the process now, with its terminal in order."""
    if sys.stderr.isatty():
        os.write(2, b"\x1b[?25h")  # the cursor that a live line had hidden
    os.write(2, b"\nleft at once; what had been saved is whole\n")
    os._exit(EXIT_INTERRUPTED)
