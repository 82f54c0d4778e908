"""A table to a data set: target read, rows divided, columns encoded by the training rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainwright.data.columns import Column, cells_of, survey
from trainwright.data.dataset import Dataset, Split, row_digest
from trainwright.data.encode import ColumnPlan, Values, encode, fit_columns
from trainwright.data.goals import Target, TargetScale, encode_target, learn_scale, target_plan
from trainwright.data.guess import guess_target
from trainwright.data.numbers import read_numbers
from trainwright.data.preprocessing import Preprocessing, TablePlan
from trainwright.data.rawtable import RawTable
from trainwright.data.splits import Preparation
from trainwright.data.tablefile import check_columns
from trainwright.data.targets import read_more, read_target
from trainwright.errors import DataError, UsageError, nearest
from trainwright.records import DataShape


def load_table(
    table: RawTable,
    *,
    target: Sequence[str],
    task: str,
    preparation: Preparation,
    test_table: RawTable | None = None,
    ignore: Sequence[str] = (),
) -> Dataset:
    """Make a table a data set; with `test_table`, that is the test split and no rows are taken from the first.

    `target` names the target columns; where it names none, a column's name must give it away. Raises `DataError` for
    whatever cannot be learnt from, naming file, line and column.
    """
    path = Path(table.path)
    names = [name for name in table.frame.columns if name not in ignore]
    check_columns([name for name in ignore if name not in table.unreadable], table, "data.ignore")
    notes = list(table.notes)
    target = target or (guessed_target(names, path, notes),)
    check_columns(target, table, "data.target")
    for name in target:
        if name in ignore:
            raise UsageError(f"the target '{name}' is also in data.ignore", remedy="remove it from one of them")
    goal = read_target(table, target, task)
    columns = survey(table, without={*target, *ignore})
    return assemble(
        name=Path(path.name.removesuffix(".gz")).stem,
        columns=columns,
        target=goal,
        preparation=preparation,
        fingerprint=table.fingerprint,
        notes=notes,
        other=None if test_table is None else aligned(test_table, table.frame.columns, table.has_header, needed=names),
        names=table.frame.columns,
        has_header=table.has_header,
    )


def guessed_target(names: Sequence[str], path: Path, notes: list[str]) -> str:
    """Return the column whose name gives it away as the target, with a note. Raises `DataError` where none does."""
    guess = guess_target(names)
    if guess is None:
        raise DataError(
            f"{path} does not say which column is the target",
            evidence=f"the columns are {', '.join(names)}",
            remedy="set data.target to one of them",
        )
    notes.append(f"'{guess[0]}' was taken as the target: {guess[1]}")
    return guess[0]


def aligned(other: RawTable, names: Sequence[str], has_header: bool, *, needed: Sequence[str]) -> RawTable:
    """Return another table under the training table's `names`: by name, or by place where either has no header.

    A table without a header may lack columns at its end. Raises `DataError` where a column of `needed` is missing, or
    where columns without names are more than there are names.
    """
    columns = other.frame.columns
    missing = [name for name in needed if name not in columns]
    if not missing and (other.has_header or len(columns) <= len(names)):
        return other
    if (has_header and other.has_header) or len(columns) != len(names):
        if missing and missing[0] in other.unreadable:
            check_columns(missing[:1], other, "the training file")
        lacks = f"lacks the column '{missing[0]}' of the training file" if missing else "has too many columns"
        guess = nearest(missing[0], set(columns) - set(names)) if missing else None
        raise DataError(
            f"{other.path} {lacks}",
            evidence=f"it has {', '.join(columns)}; the training file {', '.join(names)}",
            remedy=(f"is it '{guess}'? Then rename that; else " if guess else "")
            + "give a file with the columns of the training file",
        )
    return replace(other, frame=other.frame.rename(dict(zip(columns, names, strict=True))), has_header=True)


@dataclass(frozen=True, kw_only=True)
class _Encoding:
    """Everything learnt from the training rows."""

    plans: tuple[ColumnPlan, ...]
    scale: TargetScale

    def split(self, name: str, values: Values, target: Target, places: np.ndarray, digest: str | None = None) -> Split:
        """Encode the rows at `places` among those that have a target."""
        rows = target.rows[places]
        y = encode_target(target, self.scale, places)
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
    names: Sequence[str] = (),
    has_header: bool = True,
) -> Dataset:
    """Divide the rows that have a target, learn the encoding from the training rows, and apply it to every split.

    `other` is the table of the test split; without, the test rows are taken from the columns, too. `names` are all
    columns of the source, in order, and `has_header` says that it names them itself, for a later file that does not.
    """
    if len(target.rows) < 2:
        raise DataError(
            f"{name} has one row with a target, which is no data set", remedy="give more rows (some hundred at least)"
        )
    parts = preparation.divide(len(target.rows), labels=target.strata, with_test=other is None)
    plans, left_out = fit_columns(columns, target.rows[parts.train], standardise=preparation.standardise)
    notes = [*notes, *target.notes, *(column.note for column in columns if column.note), *left_out]
    if not plans:
        raise DataError(
            f"{name} has no column left to learn from beside the target '{', '.join(target.names)}'",
            evidence="; ".join(notes) or "it has one column only (comma, semicolon and tab were tried as separators)",
            remedy="give a table with numeric or categorical columns",
        )
    scale, remarks = learn_scale(target, parts.train)
    notes += remarks
    encoding = _Encoding(plans=plans, scale=scale)
    values = {column.name: column.values for column in columns}
    test = encoding.split("test", values, target, parts.test) if len(parts.test) else None
    if other is not None:
        goal = read_more(target, other)
        notes += [*other.notes, *goal.notes]
        test = encoding.split("test", read_as(plans, other), goal, np.arange(len(goal.rows)), other.fingerprint)
    features = tuple(feature for plan in plans for feature in plan.features)
    return Dataset(
        name=name,
        shape=DataShape(
            input_shape=(len(features),),
            outputs=target.outputs,
            task=target.task,
            groups=tuple(width for plan in plans for width in plan.groups),
        ),
        train=encoding.split("train", values, target, parts.train),
        validation=encoding.split("validation", values, target, parts.validation) if len(parts.validation) else None,
        test=test,
        classes=target.classes,
        features=features,
        target_mean=scale.mean,
        target_std=scale.std,
        fingerprint=fingerprint,
        preprocessing=Preprocessing(
            kind="table",
            plan=TablePlan(names=tuple(names), has_header=has_header, columns=plans),
            target=target_plan(target, scale),
        ).plain(),
        notes=tuple(notes),
    )


def read_as(plans: Sequence[ColumnPlan], table: RawTable) -> Values:
    """Read a table's columns the way the training file's were."""
    cells = [(plan, cells_of(table, plan.name)) for plan in plans]
    return {plan.name: read_numbers(cell, plan.form) if plan.form else cell.words() for plan, cell in cells}
