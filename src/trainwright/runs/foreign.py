"""Logs that others wrote: finds them, recognises each by its content, and reads it as a chart."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainwright.errors import RunError
from trainwright.records import Chart
from trainwright.runs.foreign_chart import chart_of
from trainwright.runs.foreign_columns import recognised
from trainwright.runs.foreign_csv import read_csv
from trainwright.runs.foreign_json import read_json
from trainwright.runs.foreign_table import KNOWN, SPLITS, Table, shown, unreadable
from trainwright.runs.foreign_tensorboard import is_event_file, made_by_add_scalars, read_events
from trainwright.runs.foreign_wandb import MARK, read_wandb, read_wandb_json
from trainwright.runs.layout import is_run
from trainwright.runs.small import open_regular

Form = Literal["own", "tensorboard", "wandb", "wandb-json", "csv", "json"]

_PRUNED = frozenset({"node_modules", "__pycache__", "site-packages", "checkpoints"})
_DOCUMENTS = ("trainer_state.json", "history.json", "metrics.json", "log.json")
"""JSON that is a log by its name; of the other documents of a folder most are settings."""
_DEEPEST = 8


@dataclass(frozen=True, kw_only=True)
class Log:
    """Where a run was logged: `source` is what it is called by, `paths` the files that hold it."""

    source: Path
    form: Form
    paths: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class ForeignRun:
    """A log as a chart. `columns` says what each role was taken from, `remarks` what had to be decided or read around.

    `rows` is how many rows the log has.
    """

    source: Path
    form: str
    rows: int
    chart: Chart
    columns: Mapping[str, str]
    remarks: tuple[str, ...]


def find_logs(path: Path) -> list[Log]:
    """Return the logs at `path`: the file, or all in the folder and below, in order of name.

    Raises `RunError` where there is no such path, or nothing that could be a log.
    """
    if not path.exists():
        raise RunError(f"there is no log {path}", remedy=f"name a file or a folder; {KNOWN}")
    if not path.is_dir():
        return [Log(source=path, form=_form(path), paths=(path,))]
    if is_run(path):
        return [Log(source=path, form="own", paths=(path,))]
    os.listdir(path)  # a folder that may not be read is an error of the system, not an empty folder
    logs = sorted(_merged(list(_walk(path, 0))), key=lambda log: str(log.source))
    if not logs:
        raise RunError(f"there is no log in {path}", evidence=_contents(path), remedy=KNOWN)
    return logs


def read_log(log: Log, chosen: Mapping[str, str]) -> ForeignRun:
    """Read a log that is no run folder of our own; `chosen` says which column plays which role.

    Raises `RunError` where it cannot be read, or has no column that is a loss.
    """
    table = _table(log)
    columns = recognised(table.columns, chosen)
    if not {"train_loss", "val_loss", "val_accuracy"} & columns.roles.keys():
        names = ", ".join(f"'{name}'" for name in list(table.columns)[:12])
        raise RunError(
            f"no column of {log.source} is a loss",
            evidence=f"its columns are {names}",
            remedy="say which is: --columns train_loss=COLUMN",
        )
    chart, remarks = chart_of(table, columns, shown(log.source))
    notes = (*columns.remarks, *remarks, *table.notes)
    return ForeignRun(
        source=log.source, form=table.form, rows=len(table.rows), chart=chart, columns=columns.roles, remarks=notes
    )


def _table(log: Log) -> Table:
    if log.form == "tensorboard":
        return read_events(log.paths, log.source)
    readers = {"wandb": read_wandb, "wandb-json": read_wandb_json, "csv": read_csv, "json": read_json}
    return readers[log.form](log.paths[0])


def _form(path: Path) -> Form:
    """Return the form of a file, by its name where that is telling, else by its first bytes."""
    if is_event_file(path):
        return "tensorboard"
    if path.name in ("wandb-history.jsonl", "wandb-summary.json"):
        return "wandb-json"
    try:
        with open_regular(path) as file:
            head = file.read(4096)
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise unreadable(path, why, remedy="check the path and its permissions") from None
    if head.startswith(MARK) or path.suffix == ".wandb":
        return "wandb"
    return "json" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "csv"


def _walk(folder: Path, depth: int) -> Iterator[Log]:
    """Yield what looks like a log in `folder` and below, links to folders left out: W&B has one to its latest run."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    files = [entry for entry in entries if entry.is_file()]
    events = tuple(file for file in files if "tfevents" in file.name)
    if events:
        yield Log(source=folder, form="tensorboard", paths=events)
    wandb = [file for file in files if file.suffix == ".wandb"]
    for file in wandb:
        yield Log(source=file, form="wandb", paths=(file,))
    states = [file for file in files if file.name in _DOCUMENTS]
    tables = [file for file in files if file.suffix in (".csv", ".tsv")]
    lines = [file for file in files if file.suffix in (".jsonl", ".ndjson") and not file.name.startswith("wandb-")]
    for file in (*states, *tables, *lines):
        yield Log(source=file, form=_form_or(file), paths=(file,))
    for entry in entries:
        if not entry.is_dir() or entry.is_symlink() or entry.name.startswith(".") or entry.name in _PRUNED:
            continue
        if is_run(entry):
            yield Log(source=entry, form="own", paths=(entry,))
        elif entry.name == "files" and not wandb:  # without the log itself, what was written beside it
            kept = [entry / name for name in ("wandb-history.jsonl", "wandb-summary.json")]
            yield from [Log(source=file, form="wandb-json", paths=(file,)) for file in kept if file.is_file()][:1]
        elif depth < _DEEPEST:
            yield from _walk(entry, depth + 1)


def _form_or(path: Path) -> Form:
    """Return the form of a file; one that cannot be read fails later, where it does not hide the others."""
    try:
        return _form(path)
    except RunError:
        return "csv"


def _merged(logs: list[Log]) -> list[Log]:
    """Join event files of one run: those in folders named after a split, or made by add_scalars, belong above.

    Of the states of a Hugging Face trainer's checkpoints the newest holds what the others hold.
    """
    events = {log.source: log for log in logs if log.form == "tensorboard"}
    others = [log for log in logs if log.form != "tensorboard"]
    splits = [source for source in events if source.name.lower() in SPLITS]
    homes: dict[Path, list[Path]] = {}
    for source, log in events.items():
        beside = source.parent in events or sum(other.parent == source.parent for other in splits) > 1
        part = (source in splits and beside) or (source.parent in events and made_by_add_scalars(log.paths))
        homes.setdefault(source.parent if part else source, []).extend(log.paths)
    joined = [Log(source=source, form="tensorboard", paths=tuple(paths)) for source, paths in homes.items()]
    states: dict[Path, Log] = {}
    for log in [log for log in others if log.source.name == "trainer_state.json"]:
        folder = log.source.parent
        home = folder.parent if folder.name.startswith("checkpoint-") else folder
        kept = states.get(home)
        if kept is None or _checkpoint(log) > _checkpoint(kept):
            states[home] = log
    return [*joined, *states.values(), *(log for log in others if log.source.name != "trainer_state.json")]


def _checkpoint(log: Log) -> float:
    """Return the step of a checkpoint's folder; the state beside the checkpoints is that of the end."""
    number = log.source.parent.name.removeprefix("checkpoint-")
    return int(number) if number.isdigit() else float("inf")


def _contents(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    return f"it holds {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}" if names else "it is empty"
