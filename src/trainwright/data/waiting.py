"""Waiting for what data workers make: open to Ctrl-C, told where it takes long, given up where nothing moves at all.

torch waits for ever for a worker that lives. A slow one is left alone, however slow: only one that was not woken a
single time for minutes hangs, as on a lock that nobody gives back, or stopped by a signal.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import _utils
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from trainwright.interruption import poll

POLL_SECONDS = 1.0
"""How long Ctrl-C, SIGTERM and the end of the given time wait at most for a batch that does not come."""
LONG_SECONDS = 120.0
"""A batch that has not come by then is told of, once in a pass, with what its worker is doing."""
STILL_SECONDS = 600.0
"""A worker that owes a batch and was not woken once in so long hangs. What waits for a network, a disk or a program of
its own is woken far more often, and every second of computing counts as well."""


class HungError(RuntimeError):
    """A data worker that lives, and does nothing."""


def next_of(batches: Iterator[Any], position: int) -> Any:
    """Return the next item of a pass, batch number `position`; `StopIteration` as `next` has it.

    Raises `HungError` where a worker hangs, which is then ended, and `Interrupted` where somebody asks to stop while
    nothing comes. A loader with a timeout of its own is left to it.
    """
    if not isinstance(batches, _MultiProcessingDataLoaderIter) or batches._timeout > 0:
        return next(batches)
    waited = still = 0.0
    before: int | None = None
    while True:
        began = time.monotonic()
        try:
            with _timeout(batches):
                return next(batches)
        except RuntimeError as problem:
            if not str(problem).startswith("DataLoader timed out"):
                raise
        if not _many_ranks():  # there all of them stop together, between two steps
            poll()
        # Not the time by the clock: a machine that was asleep, or a run that was stopped by Ctrl-Z, did not wait.
        passed = min(time.monotonic() - began, 2 * POLL_SECONDS)
        waited, now = waited + passed, _activity(batches)
        still = still + passed if now is not None and now == before else 0.0
        before = now
        if waited - passed < LONG_SECONDS <= waited and not getattr(batches, "_told", False):
            batches._told = True  # pyright: ignore[reportAttributeAccessIssue]
            said = f"batch {position} has not come for {waited:.0f} s; {_who(batches)}"
            warnings.warn(said, RuntimeWarning, stacklevel=2)
        if still >= STILL_SECONDS:
            said = f"{_who(batches)}, and was not woken once in {still:.0f} s"
            _end(batches)
            raise HungError(said)


@contextmanager
def _timeout(batches: _MultiProcessingDataLoaderIter) -> Iterator[None]:
    """Let torch wait for `POLL_SECONDS` alone: it can be asked again for the same batch."""
    batches._timeout = POLL_SECONDS
    try:
        yield
    finally:
        batches._timeout = 0


def _many_ranks() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _owing(batches: _MultiProcessingDataLoaderIter) -> list[Any]:
    """Return the worker that is to make the next batch; all of them where torch does not say."""
    task = batches._task_info.get(batches._rcvd_idx)
    return list(batches._workers) if task is None else [batches._workers[task[0]]]


def _who(batches: _MultiProcessingDataLoaderIter) -> str:
    workers = _owing(batches)
    states = {worker.pid: _state(worker.pid) for worker in workers}
    doing = {"R": "computes", "S": "waits", "D": "waits for a disk", "T": "is stopped", "t": "is being debugged"}
    named = [f"process {pid} {doing.get(state, 'is at work')}" for pid, state in states.items()]
    return f"its data worker, {named[0]}" if len(named) == 1 else f"of its data workers, {', '.join(named)}"


def _end(batches: _MultiProcessingDataLoaderIter) -> None:
    """End the workers that hang, without torch raising an error about it in whatever runs at that moment."""
    if batches._worker_pids_set:
        _utils.signal_handling._remove_worker_pids(id(batches))
        batches._worker_pids_set = False
    for worker in _owing(batches):
        worker.kill()


def _activity(batches: _MultiProcessingDataLoaderIter) -> int | None:
    """Return a number that grows whenever a worker that owes a batch, or a program that it started, does anything.

    None where the system does not tell, and for a worker that somebody looks at with a debugger.
    """
    total = 0
    for worker in _owing(batches):
        counted = _switches(worker.pid, 0)
        if counted is None or _state(worker.pid) == "t":
            return None
        total += counted
    return total


def _switches(pid: int, depth: int) -> int | None:
    """Return how often the threads of a process, and its children, were given a processor; None where nobody tells."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        total = 0
        for task in tasks:
            lines = (task / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
            total += sum(map(int, (task / "stat").read_text().rpartition(")")[2].split()[11:13]))  # ticks computed
            children = (task / "children").read_text().split() if depth < 8 else []
            total += sum(_switches(int(child), depth + 1) or 0 for child in children)
    except (OSError, ValueError, IndexError):  # another system, or a thread that has just ended
        return None
    return total


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
