"""Writes a run folder: one writer, append-only, so that viewers may read it at any moment, copy it, or mail it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.errors import RunError
from trainwright.records import EvalRecord, Event, LayerStats, Outcome, RunInfo, StepRecord, to_brief, to_plain
from trainwright.runs import durable
from trainwright.runs.layout import EVENTS, METRICS, RECIPE, RUN, SCHEMA, is_run
from trainwright.runs.lock import LOCK, RunLock
from trainwright.runs.log import LineLog
from trainwright.runs.usage import Usage

_KINDS = {StepRecord: "step", EvalRecord: "eval", LayerStats: "layer"}


def check_free(folder: Path) -> None:
    """Raise `RunError` where `folder` cannot become a run folder: a run is in it, or other files are."""
    if is_run(folder):
        raise RunError(
            f"{folder} already holds a run",
            remedy=f"to go on with it: trainwright resume {folder}; else choose another folder, none is written over",
        )
    if folder.exists() and (not folder.is_dir() or any(not is_scrap(path.name) for path in folder.iterdir())):
        raise RunError(f"{folder} exists and is not an empty folder", remedy="choose another folder")


def next_folder(parent: Path, name: str) -> Path:
    """Return the first of `parent`/name-001, name-002, ... that does not exist."""
    number = 1
    while (parent / f"{name}-{number:03d}").exists():
        number += 1
    return parent / f"{name}-{number:03d}"


class RunWriter:
    """An observer that keeps a run. Made when training is about to start: a run that cannot start leaves nothing.

    The folder is this process's alone until `finish` or `close`.
    """

    def __init__(self, folder: Path, info: RunInfo, *, recipe: str, facts: Mapping[str, Any]) -> None:
        check_free(folder)
        try:
            lock = RunLock(folder)
            try:
                check_free(folder)  # another process may have come first, and be through
                durable.replace(folder / RECIPE, recipe)
                self._open(folder, lock, {"schema": SCHEMA, "status": "running", "info": to_plain(info), **facts}, {})
            except BaseException:
                lock.release()
                raise
        except OSError as problem:
            raise _unwritable(folder, problem) from None

    @classmethod
    def reopened(cls, lock: RunLock, folder: Path, head: Mapping[str, Any], lengths: Mapping[str, int]) -> RunWriter:
        """Return the writer of a run that goes on, under `lock`: each log is cut to its length in `lengths`, or empty.

        `head` is what the folder tells of the run from now on, without how it ended.
        """
        writer = cls.__new__(cls)
        try:
            writer._open(folder, lock, dict(head), {METRICS: 0, EVENTS: 0} | dict(lengths))
        except OSError as problem:
            raise _unwritable(folder, problem) from None
        return writer

    def _open(self, folder: Path, lock: RunLock, head: dict[str, Any], lengths: Mapping[str, int]) -> None:
        self.folder = folder
        self.lock = lock
        self._head = head
        for path in folder.iterdir():
            if path.name.startswith(durable.TEMPORARY):
                durable.remove(path)  # of a writer that was killed: the folder is ours now
        # Line by line text that is never rewritten: a torn last line is all that a kill can leave.
        self._metrics = LineLog(folder / METRICS, lengths.get(METRICS))
        self._events = LineLog(folder / EVENTS, lengths.get(EVENTS))
        self._usage = Usage()
        self._write_head()

    def observe(self, record: StepRecord | EvalRecord | LayerStats | Event) -> None:
        """Append one record."""
        if isinstance(record, Event):
            self._events.add(json.dumps({"time": time.time(), **to_brief(record)}), soon=True)
            return
        kind = _KINDS[type(record)]
        taken = self._usage.look(record.step, evaluated=kind == "eval")
        if taken is not None:  # a line of its own kind, which readers of the run's course pass over
            self._metrics.add(json.dumps({"record": "system", **taken}))
        # NaN and Inf stay what they are: a run's numbers are never repaired.
        self._metrics.add(json.dumps({"record": kind, **to_brief(record)}), soon=kind == "eval")

    def lengths(self) -> dict[str, int]:
        """Hand all that was recorded to the system; return the bytes of each log, by file name."""
        return {METRICS: self._metrics.flush(), EVENTS: self._events.flush()}

    def sync(self) -> None:
        """Wait until the disk has what was handed over."""
        for log in (self._metrics, self._events):
            durable.sync(log.path)

    def finish(self, outcome: Outcome, **facts: Any) -> None:
        """Write how the run ended; `facts` (`digest`, `findings`) go beside it."""
        try:
            for log in (self._metrics, self._events):
                log.close()
            self._head |= {"status": outcome.status, "outcome": to_plain(outcome), **facts}
            self._write_head()
        finally:
            self.lock.release()

    def _write_head(self) -> None:
        durable.replace(self.folder / RUN, json.dumps(self._head, indent=1))


def is_scrap(name: str) -> bool:
    """Say whether a file is what a writer leaves that is killed before it has written anything."""
    return name == LOCK or name.startswith(durable.TEMPORARY)


def _unwritable(folder: Path, problem: OSError) -> RunError:
    return RunError(
        f"the run folder {folder} cannot be written",
        evidence=problem.strerror or str(problem),
        remedy="choose another folder",
    )
