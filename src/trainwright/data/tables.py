"""A table to a data set: target read, rows divided, columns encoded by the training rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainwright.data.columns import Column, cells_of, survey
from trainwright.data.csvfile import RawTable, read_table
from trainwright.data.dataset import Dataset, Split, row_digest
from trainwright.data.encode import ColumnPlan, Values, encode, fit_columns, mean_and_std
from trainwright.data.guess import guess_target
from trainwright.data.numbers import read_numbers
from trainwright.data.splits import Preparation
from trainwright.data.targets import Target, read_more, read_target
from trainwright.errors import DataError, UsageError, did_you_mean
from trainwright.records import DataShape, to_plain


def load_table(
    path: Path,
    *,
    target: str | None,
    task: str,
    preparation: Preparation,
    test_path: Path | None = None,
    ignore: Sequence[str] = (),
) -> Dataset:
    """Read a CSV file as a data set; with `test_path`, that file is the test split and none is taken from the first.

    Raises `DataError` for whatever cannot be read or learnt from, naming file, line and column.
    """
    table = read_table(path)
    names = table.frame.columns
    for name in ignore:
        check_column(name, names, path, "data.ignore")
    notes = list(table.notes)
    if target is None:
        target = _plain_guess([name for name in names if name not in ignore], path, notes)
    check_column(target, names, path, "data.target")
    if target in ignore:
        raise UsageError(f"the target '{target}' is also in data.ignore", remedy="remove it from one of them")
    goal = read_target(table, target, task)
    columns = survey(table, without={target, *ignore})
    return assemble(
        name=Path(path.name.removesuffix(".gz")).stem,
        columns=columns,
        target=goal,
        preparation=preparation,
        fingerprint=table.fingerprint,
        notes=notes,
        other=None if test_path is None else _aligned(read_table(test_path), table),
    )


def check_column(name: str, names: Sequence[str], path: Path, setting: str) -> None:
    """Raise `DataError` with the nearest name where the table has no column called `name`."""
    if name not in names:
        raise DataError(
            f"{path} has no column '{name}'",
            evidence=f"{setting} names it; the columns are {', '.join(names)}",
            remedy=did_you_mean(name, names),
        )


def _plain_guess(names: Sequence[str], path: Path, notes: list[str]) -> str:
    guess = guess_target(names)
    if guess is None:
        raise DataError(
            f"{path} does not say which column is the target",
            evidence=f"the columns are {', '.join(names)}",
            remedy="set data.target to one of them",
        )
    notes.append(f"'{guess[0]}' was taken as the target: {guess[1]}")
    return guess[0]


def _aligned(other: RawTable, table: RawTable) -> RawTable:
    """Return the test table under the training table's names: by name, or by place where either has no header."""
    names = table.frame.columns
    missing = [name for name in names if name not in other.frame.columns]
    if not missing:
        return other
    if (table.has_header and other.has_header) or len(other.frame.columns) != len(names):
        raise DataError(
            f"the test file lacks the column '{missing[0]}'",
            evidence=f"{other.path} has {', '.join(other.frame.columns)}; {table.path} has {', '.join(names)}",
            remedy="give a test file with the columns of the training file",
        )
    return RawTable(
        path=other.path,
        frame=other.frame.rename(dict(zip(other.frame.columns, names, strict=True))),
        lines=other.lines,
        separator=other.separator,
        has_header=True,
        fingerprint=other.fingerprint,
        notes=other.notes,
    )


@dataclass(frozen=True, kw_only=True)
class _Encoding:
    """Everything learnt from the training rows."""

    plans: tuple[ColumnPlan, ...]
    mean: float  # of the target; 0 and 1 for classes
    std: float

    def split(self, name: str, values: Values, target: Target, places: np.ndarray, digest: str | None = None) -> Split:
        """Encode the rows at `places` among those that have a target."""
        rows = target.rows[places]
        goal = target.values[places]
        if target.classes:
            y = torch.from_numpy(goal)
        else:
            y = torch.from_numpy(((goal - self.mean) / self.std).astype(np.float32)).unsqueeze(1)
        return Split(x=encode(self.plans, values, rows), y=y, name=name, digest=digest or row_digest(rows))


def assemble(
    *,
    name: str,
    columns: Sequence[Column],
    target: Target,
    preparation: Preparation,
    fingerprint: str,
    notes: Sequence[str] = (),
    other: RawTable | None = None,
) -> Dataset:
    """Divide the rows that have a target, learn the encoding from the training rows, and apply it to every split.

    `other` is the table of the test split; without, the test rows are taken from the columns, too.
    """
    if len(target.rows) < 2:
        raise DataError(
            f"{name} has one row with a target, which is no data set", remedy="give more rows (some hundred at least)"
        )
    labels = target.values if target.classes else None
    parts = preparation.divide(len(target.rows), labels=labels, with_test=other is None)
    plans, left_out = fit_columns(columns, target.rows[parts.train], standardise=preparation.standardise)
    notes = [*notes, *target.notes, *(column.note for column in columns if column.note), *left_out]
    if not plans:
        raise DataError(
            f"{name} has no column left to learn from beside the target '{target.name}'",
            evidence="; ".join(notes) or "it has one column only (comma, semicolon and tab were tried as separators)",
            remedy="give a table with numeric or categorical columns",
        )
    mean, std = (0.0, 1.0) if target.classes else _target_statistics(target, parts.train)
    encoding = _Encoding(plans=plans, mean=mean, std=std)
    values = {column.name: column.values for column in columns}
    test = encoding.split("test", values, target, parts.test) if len(parts.test) else None
    if other is not None:
        goal = read_more(target, other)
        notes += [*other.notes, *goal.notes]
        test = encoding.split("test", _read_as(plans, other), goal, np.arange(len(goal.rows)), other.fingerprint)
    features = tuple(feature for plan in plans for feature in plan.features)
    return Dataset(
        name=name,
        shape=DataShape(input_shape=(len(features),), outputs=max(1, len(target.classes)), task=target.task),
        train=encoding.split("train", values, target, parts.train),
        validation=encoding.split("validation", values, target, parts.validation) if len(parts.validation) else None,
        test=test,
        classes=target.classes,
        features=features,
        target_mean=mean,
        target_std=std,
        fingerprint=fingerprint,
        preprocessing=_preprocessing(encoding, target),
        notes=tuple(notes),
    )


def _preprocessing(encoding: _Encoding, target: Target) -> dict[str, Any]:
    return {
        "kind": "table",
        "columns": to_plain(encoding.plans),
        "target": {
            "name": target.name,
            "task": target.task,
            "classes": list(target.classes),
            "form": to_plain(target.form),
            "mean": encoding.mean,
            "std": encoding.std,
        },
    }


def _read_as(plans: Sequence[ColumnPlan], table: RawTable) -> Values:
    """Read a table's columns the way the training file's were."""
    cells = [(plan, cells_of(table, plan.name)) for plan in plans]
    return {plan.name: read_numbers(cell, plan.form) if plan.form else cell.text for plan, cell in cells}


def _target_statistics(target: Target, train: np.ndarray) -> tuple[float, float]:
    mean, std = mean_and_std(target.values[train])
    if std == 0.0:
        raise DataError(
            f"the target '{target.name}' is the same in every training row, so there is nothing to learn",
            evidence=f"{len(train)} rows with {mean:g}",
            remedy="give more rows, or choose another column as data.target",
        )
    return mean, std
