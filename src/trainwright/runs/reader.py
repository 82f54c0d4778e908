"""Reads a run folder, whole or not: without the model, while it is written, from a read-only or network disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.errors import RunError, did_you_mean
from trainwright.records import Chart, EvalRecord, Event, Finding, LayerStats, Outcome, RunInfo, StepRecord, from_plain
from trainwright.runs.layout import EVENTS, METRICS, RECIPE, RUN, SCHEMA, is_run

_KINDS: dict[Any, type] = {"step": StepRecord, "eval": EvalRecord, "layer": LayerStats}
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError)
"""What text that is no JSON, or JSON that is no record, may raise."""


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run as its folder tells it. `outcome` is None while it goes on, or where it was killed."""

    folder: Path
    info: RunInfo
    chart: Chart
    outcome: Outcome | None
    findings: tuple[Finding, ...]
    digest: str | None
    recipe: str
    head: dict[str, Any]
    notes: tuple[str, ...] = ()  # what was wrong with the folder and could be read around


def read_run(folder: str | Path) -> StoredRun:
    """Read the run in `folder`. Raises `RunError` where there is none, or a newer version wrote it."""
    folder = Path(folder)
    head = read_head(folder)
    notes: list[str] = []
    columns: dict[type, list[Any]] = {kind: [] for kind in _KINDS.values()}
    for record in _records(folder / METRICS, lambda line: _KINDS.get(line.get("record")), notes):
        columns[type(record)].append(record)
    events = tuple(_records(folder / EVENTS, lambda line: Event, notes))
    try:
        info = from_plain(RunInfo, head["info"])
        outcome = from_plain(Outcome, head["outcome"]) if head.get("outcome") else None
        findings = tuple(from_plain(Finding, plain) for plain in head.get("findings", []))
    except _MALFORMED as problem:
        raise _damaged(folder, problem) from None
    return StoredRun(
        folder=folder,
        info=info,
        chart=Chart(
            info=info,
            steps=columns[StepRecord],
            evals=columns[EvalRecord],
            layers=columns[LayerStats],
            events=events,
        ),
        outcome=outcome,
        findings=findings,
        digest=head.get("digest"),
        recipe=(folder / RECIPE).read_text(encoding="utf-8") if (folder / RECIPE).is_file() else "",
        head=head,
        notes=tuple(notes),
    )


def find_runs(parent: str | Path) -> list[Path]:
    """Return the run folders in `parent`, or `parent` itself where it is one, in order of name."""
    parent = Path(parent)
    if is_run(parent):
        return [parent]
    return sorted(path for path in parent.iterdir() if path.is_dir() and is_run(path)) if parent.is_dir() else []


def read_head(folder: Path) -> dict[str, Any]:
    """Return the content of run.json. Raises `RunError` where there is none, or a newer version wrote it."""
    if not is_run(folder):
        near = find_runs(folder if folder.is_dir() else folder.parent)
        raise RunError(
            f"{folder} holds no run" if folder.is_dir() else f"there is no run folder {folder}",
            evidence=f"there is no {folder / RUN}",
            remedy=did_you_mean(folder.name, [path.name for path in near[:20]])
            if near
            else "make one with: trainwright train RECIPE --folder DIR",
        )
    try:
        head = json.loads((folder / RUN).read_text(encoding="utf-8"))
        schema = head["schema"]
        if not isinstance(schema, int) or not isinstance(head["info"], dict):
            raise TypeError("schema is no number, or info no object")
    except (OSError, *_MALFORMED) as problem:
        raise _damaged(folder, problem) from None
    if schema > SCHEMA:
        raise RunError(
            f"the run in {folder} was written by a newer trainwright",
            evidence=f"its schema is {schema}, this version reads up to {SCHEMA}",
            remedy="update trainwright",
        )
    return head


def _damaged(folder: Path, problem: Exception) -> RunError:
    return RunError(
        f"the run in {folder} is damaged", evidence=f"{RUN} cannot be read: {problem}", remedy="train it again"
    )


def _records(path: Path, kind_of: Callable[[dict[str, Any]], type | None], notes: list[str]) -> Iterator[Any]:
    """Yield the records of a file, leaving out lines that are torn or no records, and noting how many.

    Lines whose kind `kind_of` does not know are left out too: a later version wrote them.
    """
    if not path.is_file():
        notes.append(f"{path.name} is missing")
        return
    torn = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
                kind = kind_of(line)
                record = None if kind is None else from_plain(kind, line)
            except _MALFORMED:
                torn += 1
                continue
            if record is not None:
                yield record
    if torn:
        count, verb = (f"{torn} lines", "are") if torn > 1 else ("1 line", "is")
        notes.append(f"{count} of {path.name} could not be read and {verb} left out")
