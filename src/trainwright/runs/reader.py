"""Reads a run folder, whole or not: without the model, while it is written, from a read-only or network disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.errors import RunError, did_you_mean
from trainwright.records import Chart, EvalRecord, Event, Finding, LayerStats, Outcome, RunInfo, StepRecord, from_plain
from trainwright.runs.layout import EVENTS, METRICS, RECIPE, RUN, SCHEMA, is_run

_KINDS: dict[str, type] = {"step": StepRecord, "eval": EvalRecord, "layer": LayerStats}


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
    head = _head(folder)
    notes: list[str] = []
    columns: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    for line in _lines(folder / METRICS, notes):
        kind = _KINDS.get(line.get("kind", ""))
        if kind is not None:
            columns[line["kind"]].append(from_plain(kind, line))
    events = [from_plain(Event, line) for line in _lines(folder / EVENTS, notes)]
    info = from_plain(RunInfo, head["info"])
    return StoredRun(
        folder=folder,
        info=info,
        chart=Chart(
            info=info, steps=columns["step"], evals=columns["eval"], layers=columns["layer"], events=tuple(events)
        ),
        outcome=from_plain(Outcome, head["outcome"]) if head.get("outcome") else None,
        findings=tuple(from_plain(Finding, plain) for plain in head.get("findings", [])),
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


def _head(folder: Path) -> dict[str, Any]:
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
        if not isinstance(head["info"], dict):
            raise TypeError("info is no object")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RunError(
            f"the run in {folder} is damaged", evidence=f"{RUN} cannot be read: {problem}", remedy="train it again"
        ) from None
    if schema > SCHEMA:
        raise RunError(
            f"the run in {folder} was written by a newer trainwright",
            evidence=f"its schema is {schema}, this version reads up to {SCHEMA}",
            remedy="update trainwright",
        )
    return head


def _lines(path: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a file, leaving out lines that are torn or no records, and noting how many."""
    if not path.is_file():
        notes.append(f"{path.name} is missing")
        return
    torn = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                record = json.loads(text)
            except ValueError:
                torn += 1
                continue
            if isinstance(record, dict):
                yield record
            else:
                torn += 1
    if torn:
        notes.append(f"{torn} line{'s' if torn > 1 else ''} of {path.name} could not be read and are left out")
