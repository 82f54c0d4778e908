"""Metrics as JSON: a record on each line, a list of records, columns of lists, or Hugging Face's trainer_state.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainwright.records import Setting
from trainwright.runs.foreign_table import (
    Row,
    Table,
    content,
    flattened,
    json_of,
    number_of,
    split_of,
    text_of,
    unreadable,
)

_HISTORY = ("log_history", "history", "logs", "metrics")
"""Where a document keeps its records: Hugging Face's name first."""


def read_json(path: Path) -> Table:
    """Read metrics. Raises `RunError` where the file is empty, no JSON, or holds no number."""
    text = text_of(path, content(path))
    whole = json_of(text)
    notes: tuple[str, ...] = ()
    form, settings = "JSON", {}
    if whole is None:
        rows, torn, count = _lines(text)
        form = "JSON lines"
        if torn:
            notes = (f"{torn} of {count} lines are no JSON objects and are left out",)
    else:
        state = isinstance(whole, Mapping) and isinstance(whole.get("log_history"), list)
        form = "Hugging Face's trainer state" if state else form
        rows = _records(whole)
        if state:
            words = {name: value for name, value in whole.items() if isinstance(value, int | float | str)}
            settings = {name: Setting(value=value) for name, value in words.items()}
    if not rows:
        raise unreadable(path, "it holds no record with a number", remedy="name a file with one object for each step")
    return Table(source=path, form=form, rows=rows, settings=settings, notes=notes)


def _lines(text: str) -> tuple[list[Row], int, int]:
    """Return the rows, how many lines were no objects, and how many lines there are."""
    rows, torn, count = [], 0, 0
    for line in text.splitlines():
        if not line.strip():
            continue
        count += 1
        plain = json_of(line)
        if isinstance(plain, Mapping):
            rows += _rows([plain])
        else:
            torn += 1
    return rows, torn, count


def _records(whole: Any) -> list[Row]:
    """Return the rows of a document: a list of objects, an object that holds one, or an object of columns."""
    if isinstance(whole, list):
        if whole and all(number_of(item) is not None for item in whole):
            return [{"loss": value} for item in whole if (value := number_of(item)) is not None]
        return _rows(item for item in whole if isinstance(item, Mapping))
    if not isinstance(whole, Mapping):
        return []
    for name in _HISTORY:
        if isinstance(whole.get(name), list | Mapping):
            return _records(whole[name])
    columns = {name: value for name, value in flattened(whole).items() if isinstance(value, list) and value}
    if columns:
        return _across(columns)
    return _rows([whole])


def _across(columns: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return columns as rows, a short one (losses of evaluations beside those of steps) ending early."""
    rows: list[Row] = []
    for place in range(max(len(column) for column in columns.values())):
        cells = {name: number_of(column[place]) for name, column in columns.items() if place < len(column)}
        row = {name: value for name, value in cells.items() if value is not None}
        if row:
            rows.append(row)
    return rows


def _rows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    rows = []
    for record in records:
        flat = flattened(record)
        row = {name: value for name, cell in flat.items() if (value := number_of(cell)) is not None}
        word = next((flat[name] for name in ("phase", "split", "mode", "stage") if isinstance(flat.get(name), str)), "")
        split = split_of(word)  # {"mode": "train", "loss": 0.5}, as MMEngine writes it
        if split is not None:
            row = {name if "/" in name or split_of(name) else _with(split, name): cell for name, cell in row.items()}
        if row:
            rows.append(row)
    return rows


def _with(split: str, name: str) -> str:
    axes = ("step", "epoch", "iter", "iteration", "lr", "time")
    return name if name in axes else f"{split}/{name}"
