"""Writing a run's state beside the training: copied first, one at a time, never lost."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from trainwright.records import Event
from trainwright.training import checkpoint, state, stored
from trainwright.training.keeping import Due, Keeping
from trainwright.training.packing import Tree, tensors_of

if TYPE_CHECKING:
    from trainwright.training.course import Course

MOST_FAILURES = 5
"""Failures one after the other with which a run goes on; a disk that stays full is not waited for for ever."""
RETRY_SECONDS = 5.0
"""After the first failure; twice as long after each that follows."""
SPARE = 1.05
"""Free space that a checkpoint needs, in its own size: not to find the disk full when half is written."""


class Log(Protocol):
    """The log of a run, which a checkpoint belongs to."""

    def lengths(self) -> Mapping[str, int]:
        """Hand all that is recorded to the system; return the bytes of each log file."""
        ...

    def sync(self) -> None:
        """Wait until the disk has what was handed over."""
        ...


class Saver:
    """Keeps the state of one run, as one process or as the first of several."""

    def __init__(self, keeping: Keeping, log: Log) -> None:
        self.keeping = keeping
        self.folder = keeping.folder
        self.log = log
        self.failures = 0  # one after the other
        self._due = Due(keeping.every_steps)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[float | None] | None = None
        self._owed: dict[str, Any] = {}  # weights to write under a name, and ...
        self._refused: dict[str, Any] = {}  # ... those that the disk would not take
        self._not_before = 0.0  # after a failure
        self._looked = -2  # of the last state that was taken

    def after_step(self, course: Course) -> None:
        """See a step done and looked at; take and write the state where that is due."""
        due = self._due.after(course)
        if due or self._owed:
            self._collect(course, wait=due and self.keeping.every_steps > 0)
            if self._writing is None and time.monotonic() >= self._not_before:
                self._start(course, take=due)

    def now(self, course: Course) -> None:
        """Write the state and wait for it, trying again where the disk refuses; not what is written already.

        Raises `RunError` where it cannot be written.
        """
        self._collect(course, wait=True)
        while self._looked != course.looked or self.failures:
            self._start(course, take=True)
            self._finish(course)

    def keep(self, name: str, weights: Mapping[str, torch.Tensor], step: int, facts: Mapping[str, Any]) -> None:
        """Let weights, which nobody changes any more, be written next under a name of their own."""
        self._owed[name] = weights, step, facts

    def close(self, course: Course) -> None:
        """Write all that is owed, and end. Raises `RunError` where it cannot be written."""
        self._collect(course, wait=True)
        while self._owed:
            self._start(course, take=False)
            self._finish(course)
        self._writer.shutdown(wait=True)

    def abandon(self) -> None:
        """Wait for what is being written, and end: the run broke off, and that is what must be told."""
        self._writer.shutdown(wait=True)

    def _start(self, course: Course, *, take: bool) -> None:
        """Write what is owed, and with `take` a copy of the state as it is now, beside what comes next."""
        started = time.perf_counter()
        owed, self._owed = self._owed, {}
        tree, facts = None, self.keeping.facts
        try:
            if take:
                facts = {**facts, "epoch": course.training.place.epoch, "log": dict(self.log.lengths())}
                tree = state.take(course)
                self._looked = course.looked
                self._due.taken()
        except OSError as problem:  # the log's disk is full
            self._owed, self._writing = owed, Future()
            self._writing.set_exception(problem)
            return
        self._writing = self._writer.submit(self._write, owed, tree, facts, time.perf_counter() - started)

    def _write(self, owed: dict[str, Any], tree: Tree | None, facts: Mapping[str, Any], copying: float) -> float | None:
        """Write, in the thread of its own; return the seconds that the state has cost, None where none was written."""
        started = time.perf_counter()
        try:
            for name, (weights, step, known) in owed.items():
                if stored.sound(weights) or not (self.folder / f"{name}.json").exists():
                    checkpoint.put(self.folder, name, weights, step=step, facts=known)
            if tree is None or stored.not_finite(tree):  # what was finite stays the newest
                return None
            _check_space(self.folder, tree)
            self.log.sync()  # the log must not be shorter than the state that belongs to it
            stored.write(self.folder, tree, facts=facts, keep_last=self.keeping.keep_last)
        except OSError:
            self._refused = owed
            raise
        return copying + time.perf_counter() - started

    def _finish(self, course: Course) -> None:
        self._collect(course, wait=True)
        if self.failures:
            time.sleep(min(0.1 * 2**self.failures, RETRY_SECONDS))

    def _collect(self, course: Course, *, wait: bool = False) -> None:
        """Take what came of the last writing, if it is over; a failure goes on record, and many are an error."""
        if self._writing is None or not (wait or self._writing.done()):
            return
        writing, self._writing = self._writing, None
        try:
            cost = writing.result()
            self._due.cost, self.failures = cost if cost is not None else self._due.cost, 0
        except OSError as problem:
            self._owed, self._refused = self._refused | self._owed, {}
            self._failed(course, problem)

    def _failed(self, course: Course, problem: OSError) -> None:
        self.failures += 1
        self._not_before = time.monotonic() + RETRY_SECONDS * 2 ** (self.failures - 1)
        if self.failures >= MOST_FAILURES:
            raise self.keeping.refused(
                f"checkpoints cannot be written: {self.failures} failed one after the other", problem
            )
        reason = problem.strerror or str(problem)
        text = f"a checkpoint could not be written: {reason}; what was written before is whole, and it is tried again"
        detail = {"text": text, "failures": self.failures}
        course.training.history.append(Event(step=course.training.place.step, name="checkpoint-failed", detail=detail))


def _check_space(folder: Path, tree: Tree) -> None:
    """Raise `OSError` where the disk has no room for a checkpoint."""
    needed = SPARE * sum(tensor.nbytes for tensor in tensors_of(tree))
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    if free < needed:
        said = f"no space left: {needed / 1024:,.0f} KiB needed, {free / 1024:,.0f} KiB free"
        raise OSError(errno.ENOSPC, said, str(folder))
