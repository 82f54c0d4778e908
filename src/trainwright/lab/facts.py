"""What is told of a run before its curves are read: its head, its newest step, its findings, and whether it lives."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.lab.follow import open_regular
from trainwright.lab.shelf import Item
from trainwright.records import Finding, from_plain, to_plain
from trainwright.records.findings import SEVERITIES
from trainwright.runs.layout import EVENTS, METRICS, RECIPE, RUN, SCHEMA
from trainwright.runs.step_columns import MARK

LIVES_AT_LEAST = 6.0
"""Seconds without a line after which a run may count as stalled at the earliest: a writer flushes every half second."""
LIVES_LONGER = 10.0
"""So many times the longest of its newest steps and evaluations a run may be silent: saving and loading take time."""
BEFORE_FIRST_STEP = 90.0
"""Seconds that the checks before the first step and the first batch may take in silence."""
_LARGEST_HEAD = 32 << 20
_TAIL = 1 << 16
_SETTLED = ("finished", "stopped", "diverged", "interrupted")


@dataclass(frozen=True)
class Facts:
    """A run as its small files tell it. `problem` says why it cannot be read; the rest is then empty."""

    head: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Mapping[str, Any], ...] = ()
    newest: Mapping[str, Any] = field(default_factory=dict)
    patience: float = BEFORE_FIRST_STEP
    started: float | None = None
    problem: str = ""
    damage: str = ""
    """What the metrics lack of what the head tells, "" where nothing."""


class FactsBook:
    """Facts of runs, kept for as long as their files stay as they are."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[tuple[int, int], ...], Facts]] = {}

    def of(self, item: Item) -> Facts:
        """Return the facts of a run."""
        known = self._known.get(item.id)
        if known is not None and known[0] == item.signature:
            return known[1]
        facts = read_facts(item.folder)
        self._known[item.id] = (item.signature, facts)
        return facts


def read_facts(folder: Path) -> Facts:
    """Read a run's small files. Nothing in them is believed: what is not as it should be is left out."""
    try:
        with open_regular(folder / RUN) as file:
            head = json.loads(file.read(_LARGEST_HEAD))
        schema, info = head["schema"], head["info"]
        if not isinstance(schema, int) or not isinstance(info, dict):
            raise TypeError("schema is no number, or info no object")
    except FileNotFoundError:
        return Facts(problem="the run is gone: its run.json was deleted")
    except OSError as problem:
        return Facts(problem=f"run.json cannot be read: {problem.strerror}")
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        return Facts(problem=f"run.json is damaged: {problem}")
    if schema > SCHEMA:
        text = (
            f"a newer trainwright wrote this run (schema {schema}, this one reads up to {SCHEMA}): update trainwright"
        )
        return Facts(problem=text)
    ended = isinstance(head.get("outcome"), dict)
    newest, patience = _newest(folder / METRICS, ended=ended)
    told, _, started = ((), (), None) if ended else read_told(folder)  # a finished run's head holds its findings
    findings = tuple(sound(Finding, head.get("findings"))) if ended else told
    return Facts(
        head=head,
        findings=findings,
        newest=newest,
        patience=patience,
        started=started,
        damage=_damage(head.get("outcome"), newest),
    )


def _damage(outcome: Any, newest: Mapping[str, Any]) -> str:
    """Say what is missing where the head tells of more steps than the end of the metrics."""
    steps = outcome.get("steps") if isinstance(outcome, dict) else None
    if not isinstance(steps, int) or steps <= 0 or newest.get("step", -1) >= steps - 1:
        return ""
    found = f"its last whole line is of step {newest['step']}" if newest else "no step can be read in it"
    return f"metrics.jsonl is damaged: run.json tells of {steps} steps, {found}"


def status_of(item: Item, facts: Facts) -> str:
    """Return "unreadable", how the run ended, or "running", or "stalled" where nothing was written for long."""
    if facts.problem:
        return "unreadable"
    outcome = facts.head.get("outcome")
    if isinstance(outcome, dict):
        status = outcome.get("status")
        return status if status in _SETTLED else "unreadable"
    silent = time.time() - item.written  # of the machine that reads: a clock that jumps makes no run look dead
    return "stalled" if silent > facts.patience else "running"


def events_after(folder: Path, cursor: int) -> tuple[list[Any], int]:
    """Return the events written after so many bytes, and the next cursor. A torn last line is left for later."""
    try:
        with open_regular(folder / EVENTS) as file:
            size = os.fstat(file.fileno()).st_size
            cursor = 0 if cursor > size else cursor
            file.seek(cursor)
            text = file.read(_LARGEST_HEAD)
    except OSError:
        return [], 0
    whole = text.rfind(b"\n") + 1
    events = [event for event in map(_parsed, text[:whole].split(b"\n")) if isinstance(event.get("detail"), dict)]
    return events, cursor + whole


def read_recipe(folder: Path) -> str:
    """Return the recipe as it was written, "" where there is none."""
    try:
        with open_regular(folder / RECIPE) as file:
            return file.read(1 << 20).decode("utf-8", errors="replace")
    except OSError:
        return ""


def sound(record: type, values: Any) -> list[dict[str, Any]]:
    """Return those of `values` that are such a record, as plain values: a file may have been edited by hand."""
    found = []
    for each in values if isinstance(values, list) else []:
        try:
            plain = to_plain(from_plain(record, each))
        except (TypeError, ValueError, KeyError, AttributeError):
            continue
        if record is not Finding or _is_whole(plain):
            found.append(plain)
    return found


def _is_whole(finding: dict[str, Any]) -> bool:
    parts = [finding["where"], *finding["evidence"], *finding["remedies"]]
    return finding["severity"] in SEVERITIES and all(isinstance(part, dict) for part in parts)


def _newest(path: Path, *, ended: bool) -> tuple[Mapping[str, Any], float]:
    """Return the newest step, and for how long the run may be silent, which nobody asks of one that has ended."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - _TAIL, 0))
            texts = file.read().split(b"\n")
    except OSError:
        return {}, BEFORE_FIRST_STEP
    if ended:  # of a thousand runs only one line each is read
        texts = next(([text] for text in reversed(texts) if text.startswith(MARK) and _parsed(text)), texts)
    lines = [line for line in map(_parsed, texts) if line]
    steps = [line for line in lines if line.get("record") == "step" and isinstance(line.get("step"), int)]
    if not steps:
        return {}, BEFORE_FIRST_STEP
    durations = [line.get("seconds") for line in lines]
    longest = max((float(each) for each in durations if isinstance(each, int | float)), default=0.0)
    return steps[-1], max(LIVES_AT_LEAST, LIVES_LONGER * longest)


def read_told(folder: Path) -> tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...], float | None]:
    """Return the findings among the events that stand, those that came and went, and when the first event came.

    Of each that went: `finding`, and the steps `found` and `gone`.
    """
    events, _ = events_after(folder, 0)
    found: dict[str, Mapping[str, Any]] = {}
    since: dict[str, Any] = {}
    gone: dict[str, Mapping[str, Any]] = {}
    for event in events:
        detail = event["detail"]
        if event.get("name") == "finding":
            for each in sound(Finding, [detail]):
                found[str(each["kind"])] = each
                since.setdefault(str(each["kind"]), event.get("step"))
        elif event.get("name") == "resolved":
            kind = str(detail.get("kind"))
            finding = found.pop(kind, None)
            if finding is not None:
                gone[kind] = {"finding": finding, "found": since.pop(kind, None), "gone": event.get("step")}
    first = events[0].get("time") if events else None
    started = first if isinstance(first, int | float) else None
    return tuple(found.values()), tuple(gone.values()), started


def _parsed(line: bytes) -> dict[str, Any]:
    if not line:
        return {}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
