"""Several target columns of a table at once: quantities, or labels of which a row may have none, one or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainwright.data.columns import cells_of
from trainwright.data.goals import Target
from trainwright.data.numbers import Cells, NumberForm, number_form, read_numbers
from trainwright.data.rawtable import RawTable
from trainwright.errors import DataError, UsageError
from trainwright.records import Task


def read_several(table: RawTable, names: Sequence[str], task: str = "auto") -> Target:
    """Read the columns `names` as one target of as many columns.

    With `task` "auto", columns that hold 0 and 1 (or true and false) alone are labels, else all are quantities.
    A row that lacks any of them is left out, with a note. Raises `DataError` for columns of words, for labels other
    than 0 and 1, and for quantities that are the same in every row; `UsageError` for the task "classification".
    """
    if task == "classification":
        raise UsageError(
            "a classification has one target column, which holds the class",
            evidence=f"data.target names {len(names)}: {', '.join(names)}",
            remedy='name one of them, or set data.task = "multi-label" where each column holds 0 or 1',
        )
    cells = [cells_of(table, name) for name in names]
    forms = tuple(_form(column) for column in cells)
    numbers = _matrix(cells, forms)
    rows = _complete(table, names, numbers)
    values = numbers[rows]
    resolved: Task = "multi-label" if task == "multi-label" or _binary(values).all() else "regression"
    if task == "regression":
        resolved = "regression"
    notes = [f"{len(numbers) - len(rows)} rows without a target were left out"] if len(rows) < len(numbers) else []
    if resolved == "multi-label":
        _check_binary(cells, numbers)
        if len(names) > 1 and (values.sum(1) == 1).all():
            notes.append(
                f"every row has exactly one of the {len(names)} labels; if they exclude one another, they are classes, "
                "and belong into one column that names the class"
            )
    constant = values.min(0) == values.max(0)
    if constant.all() if resolved == "multi-label" else constant.any():
        name = names[int(np.argmax(constant))]
        raise DataError(
            f"the target '{name}' is the same in every row, so there is nothing to learn",
            evidence=f"{table.path}: {len(rows)} rows with {values[0, names.index(name)]:g}",
            remedy=f"take '{name}' out of data.target, or give rows with other values",
        )
    return Target(
        names=tuple(names),
        task=resolved,
        classes=tuple(names) if resolved == "multi-label" else (),
        forms=forms,
        rows=rows,
        values=values,
        notes=tuple(notes),
    )


def read_more_of_several(target: Target, table: RawTable) -> Target:
    """Read the same columns from another file. Raises `DataError` for labels other than 0 and 1."""
    cells = [cells_of(table, name) for name in target.names]
    numbers = _matrix(cells, target.forms)
    rows = _complete(table, target.names, numbers)
    if target.task == "multi-label":
        _check_binary(cells, numbers)
    left_out = len(numbers) - len(rows)
    notes = (f"{left_out} rows of the test file without a target were left out",) if left_out else ()
    return replace(target, rows=rows, values=numbers[rows], notes=notes)


def _form(cells: Cells) -> NumberForm:
    form = number_form(cells)
    present = cells.text.is_not_null()
    if form is None and present.any():
        row = int(present.arg_true()[0])
        raise DataError(
            f"the target '{cells.name}' holds words, where several targets must be numbers, or true and false",
            evidence=f"{cells.place(row)}: '{cells.text[row]}'",
            remedy="write 1 and 0 for a label that a row has or has not, or choose numeric columns as data.target",
        )
    return form or NumberForm()


def _matrix(cells: Sequence[Cells], forms: Sequence[NumberForm | None]) -> np.ndarray:
    """Return the columns as float64 `(rows, columns)`, NaN where a cell is missing."""
    return np.stack(
        [read_numbers(column, form or NumberForm()) for column, form in zip(cells, forms, strict=True)], axis=1
    )


def _complete(table: RawTable, names: Sequence[str], numbers: np.ndarray) -> np.ndarray:
    """Return the rows that lack no target. Raises `DataError` where all do, naming the column that lacks most."""
    absent = np.isnan(numbers)
    rows = np.flatnonzero(~absent.any(1))
    if len(rows) == 0:
        emptiest = int(absent.sum(0).argmax())
        raise DataError(
            f"no row of {table.path} has a value in every target column",
            evidence=f"'{names[emptiest]}' is missing in {int(absent[:, emptiest].sum())} of {len(numbers)} rows",
            remedy=f"take '{names[emptiest]}' out of data.target, or give rows that have every target",
        )
    return rows


def _binary(values: np.ndarray) -> np.ndarray:
    return ((values == 0) | (values == 1) | np.isnan(values)).all(0)


def _check_binary(cells: Sequence[Cells], numbers: np.ndarray) -> None:
    for column, values in zip(cells, numbers.T, strict=True):
        wrong = ~((values == 0) | (values == 1) | np.isnan(values))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"the label '{column.name}' must be 0 or 1, or true or false",
                evidence=f"{column.place(row)}: '{column.words()[row]}'",
                remedy=f"write 1 where a row has the label, take '{column.name}' out of data.target, "
                'or set data.task = "regression"',
            )
