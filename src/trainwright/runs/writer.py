"""Writes a run folder: one writer, append-only, so that viewers may read it at any moment, copy it, or mail it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.errors import RunError
from trainwright.records import EvalRecord, Event, LayerStats, Outcome, RunInfo, StepRecord, to_brief, to_plain
from trainwright.runs.layout import EVENTS, METRICS, RECIPE, RUN, SCHEMA, is_run

_KINDS = {StepRecord: "step", EvalRecord: "eval", LayerStats: "layer"}
_FLUSH_SECONDS = 0.5  # what a killed run may lose of its curves; findings and evaluations are flushed at once


def check_free(folder: Path) -> None:
    """Raise `RunError` where `folder` cannot become a run folder: a run is in it, or other files are."""
    if is_run(folder):
        raise RunError(
            f"{folder} already holds a run", remedy="choose another --folder; a run is never written over another"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} exists and is not an empty folder", remedy="choose another --folder")


def next_folder(parent: Path, name: str) -> Path:
    """Return the first of `parent`/name-001, name-002, ... that does not exist."""
    number = 1
    while (parent / f"{name}-{number:03d}").exists():
        number += 1
    return parent / f"{name}-{number:03d}"


class RunWriter:
    """An observer that keeps a run. Made when training is about to start: a run that cannot start leaves nothing."""

    def __init__(self, folder: Path, info: RunInfo, *, recipe: str, facts: Mapping[str, Any]) -> None:
        check_free(folder)
        self.folder = folder
        self._head = {"schema": SCHEMA, "status": "running", "info": to_plain(info), **facts}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / RECIPE, recipe)
            self._write_head()
            # Line by line text that is never rewritten: a torn last line is all that a kill can leave.
            self._metrics = open(folder / METRICS, "a", encoding="utf-8")  # noqa: SIM115
            self._events = open(folder / EVENTS, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as problem:
            raise RunError(
                f"the run folder {folder} cannot be written",
                evidence=problem.strerror or str(problem),
                remedy="choose another --folder",
            ) from None
        self._flushed = time.monotonic()

    def observe(self, record: StepRecord | EvalRecord | LayerStats | Event) -> None:
        """Append one record."""
        if isinstance(record, Event):
            self._events.write(json.dumps({"time": time.time(), **to_brief(record)}) + "\n")
            self._events.flush()
            return
        kind = _KINDS[type(record)]
        # NaN and Inf stay what they are: a run's numbers are never repaired.
        self._metrics.write(json.dumps({"record": kind, **to_brief(record)}) + "\n")
        if kind == "eval" or time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._metrics.flush()
            self._flushed = time.monotonic()

    def finish(self, outcome: Outcome, **facts: Any) -> None:
        """Write how the run ended; `facts` (`digest`, `findings`) go beside it."""
        for file in (self._metrics, self._events):
            file.flush()
            os.fsync(file.fileno())
            file.close()
        self._head |= {"status": outcome.status, "outcome": to_plain(outcome), **facts}
        self._write_head()

    def _write_head(self) -> None:
        _replace(self.folder / RUN, json.dumps(self._head, indent=1))


def _replace(path: Path, text: str) -> None:
    """Write a whole file beside its place and move it there, so that a reader sees the old text or the new."""
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
