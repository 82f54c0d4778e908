"""The command `runs`: a table of the runs in a folder, and one run in full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainwright.cli.answer import say
from trainwright.errors import RunError
from trainwright.records import to_plain
from trainwright.report.safe import visible
from trainwright.report.text import render_run, severity_counts
from trainwright.runs.reader import StoredRun, find_runs, read_run


def list_all(console: Console, document: dict[str, Any], folder: Path) -> None:
    """Print a line for each run in `folder`."""
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}", remedy="name the folder that holds the runs")
    table = Table(box=None, pad_edge=False)
    for heading in ("run", "outcome", "steps", "best", "findings"):
        table.add_column(heading)
    listed = []
    for path in find_runs(folder):
        try:
            stored = read_run(path, curves=False)
            if stored.outcome is None:  # how far it came stands in its curves alone
                stored = read_run(path)
        except RunError as problem:  # one damaged run must not hide the others
            table.add_row(*_cells(str(path), "unreadable", "", problem.evidence, ""))
            listed.append({"folder": str(path), "error": str(problem)})
            continue
        best = _best(stored)
        cells = (str(path), stored.outcome.status if stored.outcome else "not finished")
        steps = str(stored.outcome.steps if stored.outcome else len(stored.chart.steps))
        table.add_row(*_cells(*cells, steps, best, severity_counts(stored.findings)))
        listed.append(_document(stored))
    if listed:
        console.print(table)
    else:
        say(console, f"no runs in {folder}; make one with: trainwright train RECIPE")
    document["runs"] = to_plain(listed, strict=True)


def show(console: Console, document: dict[str, Any], folder: Path) -> None:
    """Print one run in full."""
    stored = read_run(folder)
    for note in [*stored.notes, *_resumed(stored)]:
        say(console, f"note: {note}")
    color = console.color_system is not None
    text = render_run(
        stored.info, stored.outcome, stored.chart, stored.findings, color=color, width=min(console.width, 110)
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if stored.digest:
        say(console, f"digest {stored.digest}")
    document.update(_document(stored))


def _cells(*words: str) -> list[Text]:
    return [Text(visible(word)) for word in words]


def _best(stored: StoredRun) -> str:
    if stored.outcome is None or not stored.outcome.best:
        return ""
    split = next(name for name in ("test", "validation", "train") if name in stored.outcome.best)
    metric = stored.info.metric or "loss"
    return f"{split} {metric} {stored.outcome.best[split].get(metric, float('nan')):.4g}"


def _resumed(stored: StoredRun) -> list[str]:
    """Return how the run was gone on with, each time that it had been broken off."""
    return [str(event.detail.get("text", "")) for event in stored.chart.events if event.name == "resumed"]


def _document(stored: StoredRun) -> dict[str, Any]:
    outcome = stored.outcome
    return to_plain(
        {
            "folder": str(stored.folder),
            "name": stored.info.name,
            "outcome": outcome,
            "best": outcome.best if outcome else {},
            "digest": stored.digest,
            "findings": stored.findings,
            "notes": [*stored.notes, *_resumed(stored)],
        },
        strict=True,
    )
