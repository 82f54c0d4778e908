"""A first look at a data set: what each column is, which the target may be, and what the task is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainwright.data.columns import Column, Kind, number_column, survey
from trainwright.data.csvfile import read_table
from trainwright.data.embedded import EMBEDDED, EmbeddedSpec
from trainwright.data.encode import fit_columns
from trainwright.data.files import locate
from trainwright.data.guess import guess_target
from trainwright.data.pictures import is_picture_source, read_source
from trainwright.data.tables import check_column
from trainwright.data.targets import read_target
from trainwright.errors import DataError
from trainwright.records import Task


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """One column: what it is, how many cells are missing, how many distinct values there are, and the first of them."""

    name: str
    kind: Kind
    missing: int
    distinct: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """What a first look shows.

    `source` is the name, or the path that was found; `target` the target column (None where the data set has its own,
    not a column) and `target_reason` why it was taken; `classes` their names and counts, () for quantities.
    `input_shape` is that of one sample when all columns are used. `warnings` are plain sentences.
    """

    source: str
    rows: int
    columns: tuple[ColumnSummary, ...]
    task: Task
    target: str | None
    target_reason: str
    classes: tuple[tuple[str, int], ...]
    input_shape: tuple[int, ...]
    warnings: tuple[str, ...]


def inspect(
    source: str, *, target: str | None = None, data_root: str | None = None, folder: str | None = None
) -> DataSummary:
    """Look at a data set without preparing it; `source`, `data_root` and `folder` are those of `load`.

    Without `target`, the target is guessed: by a name such as "label", else the last column that can be predicted.
    Raises `DataError` where the data cannot be found or read, or where nothing in it can be predicted.
    """
    if source in EMBEDDED:
        return _embedded(EMBEDDED[source])
    path = locate(source, folder=folder, data_root=data_root, names=EMBEDDED)
    return _images(path) if is_picture_source(path) else _table(path, target)


def _embedded(spec: EmbeddedSpec) -> DataSummary:
    arrays = spec.read()
    columns = [number_column(name, arrays.x[:, place]) for place, name in enumerate(arrays.features)]
    return DataSummary(
        source=spec.name,
        rows=spec.rows,
        columns=tuple(_summary(column) for column in columns),
        task=spec.task,
        target=None,
        target_reason=f"the data set has its own target, the {spec.target}",
        classes=_counts(arrays.classes, arrays.y) if arrays.classes else (),
        input_shape=spec.input_shape,
        warnings=(),
    )


def _images(path: Path) -> DataSummary:
    pictures, other = read_source(path)
    labels, ids = np.unique(pictures.labels, return_inverse=True)
    warnings = [] if other is not None else ["there are no test images; some of the training images will be held out"]
    return DataSummary(
        source=str(path),
        rows=len(ids),
        columns=(),
        task="classification",
        target=None,
        target_reason="the labels come in a file of their own",
        classes=_counts([str(label) for label in labels], ids),
        input_shape=(1, *pictures.images.shape[1:]),
        warnings=tuple(warnings),
    )


def _table(path: Path, target: str | None) -> DataSummary:
    table = read_table(path)
    columns = survey(table)
    if target is not None:
        check_column(target, table.frame.columns, path, "the target")
        reason = "it was asked for"
    else:
        target, reason = guess_target(table.frame.columns, boldly=True) or _last_predictable(columns, path)
    goal = read_target(table, target)
    inputs = [column for column in columns if column.name != target]
    plans, _ = fit_columns(inputs, goal.rows, standardise=False)
    counts = _counts(goal.classes, goal.values) if goal.classes else ()
    return DataSummary(
        source=str(path),
        rows=len(table.lines),
        columns=tuple(_summary(column) for column in columns),
        task=goal.task,
        target=target,
        target_reason=reason,
        classes=counts,
        input_shape=(sum(len(plan.features) for plan in plans),),
        warnings=(*table.notes, *goal.notes, *(column.note for column in inputs if column.note)),
    )


def _last_predictable(columns: Sequence[Column], path: Path) -> tuple[str, str]:
    usable = [column.name for column in columns if column.kind in ("number", "category")]
    if not usable:
        raise DataError(
            f"{path} has no column that can be predicted",
            evidence="; ".join(f"{column.name}: {column.kind}" for column in columns),
            remedy="give a table with numeric or categorical columns",
        )
    last = "it is the last column" if usable[-1] == columns[-1].name else "it is the last column that can be predicted"
    return usable[-1], f"{last}; no name gives the target away"


def _summary(column: Column) -> ColumnSummary:
    return ColumnSummary(
        name=column.name,
        kind=column.kind,
        missing=column.missing,
        distinct=column.distinct,
        examples=column.examples,
    )


def _counts(names: Sequence[str], ids: np.ndarray) -> tuple[tuple[str, int], ...]:
    counts = np.bincount(ids, minlength=len(names)).tolist()
    return tuple(zip(names, counts, strict=True))
