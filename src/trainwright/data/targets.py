"""The target column of a table: whether it holds classes or quantities, and what each row is to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainwright.data.columns import cells_of
from trainwright.data.goals import Target
from trainwright.data.numbers import Cells, number_form, number_name, read_numbers
from trainwright.data.rawtable import RawTable
from trainwright.data.several import read_more_of_several, read_several
from trainwright.errors import DataError
from trainwright.records import Task

MOST_NUMBERED_CLASSES = 20
"""Distinct whole numbers up to which a numeric target may hold classes."""
_RARE = 3  # rows below which a class cannot be in training, validation and test
_CLASS_SHARE = 20  # ... and rows per distinct number that make it so; two or three numbers always do


def read_target(table: RawTable, names: Sequence[str], task: str = "auto") -> Target:
    """Read the columns `names` as the target; several are quantities or labels of 0 and 1 (`read_several`).

    Of one column, with `task` "auto", words are classes; numbers are classes where they are whole, at most 20 distinct,
    and at most three distinct or one for each 20 rows; other numbers are quantities. Class ids follow the sorted class
    names, numbers sorted as numbers. Rows without a target are left out, with a note. Raises `DataError` where no row
    has a target, where all have the same, where words are to be predicted as quantities, or where nearly every row has
    a class of its own.
    """
    if len(names) > 1 or task == "multi-label":
        return read_several(table, names, task)
    name = names[0]
    cells = cells_of(table, name)
    present = np.flatnonzero(cells.text.is_not_null().to_numpy())
    if len(present) == 0:
        raise DataError(
            f"the target '{name}' has no value in any row",
            evidence=f"{table.path}: {cells.text.len()} rows, all empty or marked as missing",
            remedy="choose another column as data.target",
        )
    form = number_form(cells)
    if form is not None and form.boolean:
        form = None  # true and false are classes
    numbers = read_numbers(cells, form) if form is not None else None
    if numbers is not None:
        present = np.flatnonzero(~np.isnan(numbers))
    resolved, notes = _task(cells, numbers, task)
    if len(present) < len(cells.text):
        notes.append(f"{len(cells.text) - len(present)} rows without a target were left out")
    if resolved == "classification":
        classes, values = _classes(cells, numbers, present)
        rare = [label for label, count in zip(classes, np.bincount(values), strict=True) if count < _RARE]
        if rare:
            notes.append(f"classes of fewer than {_RARE} rows are not in every split: {', '.join(rare[:5])}")
    else:
        assert numbers is not None  # _task() refuses words as quantities
        classes, values = (), numbers[present].reshape(-1, 1)
    if bool((values == values[0]).all()):
        raise DataError(
            f"the target '{name}' is the same in every row, so there is nothing to learn",
            evidence=f"{table.path}: {len(present)} rows with '{classes[0] if classes else f'{values[0, 0]:g}'}'",
            remedy="choose another column as data.target, or give rows of other classes or values",
        )
    return Target(
        names=(name,),
        task=resolved,
        classes=classes,
        forms=(form,),
        rows=present,
        values=values,
        notes=tuple(notes),
    )


def _task(cells: Cells, numbers: np.ndarray | None, task: str) -> tuple[Task, list[str]]:
    if numbers is None:
        if task == "regression":
            row = int(cells.text.is_not_null().arg_true()[0])
            raise DataError(
                f"the target '{cells.name}' holds words, which cannot be predicted as quantities",
                evidence=f"{cells.place(row)}: '{cells.text[row]}'",
                remedy='set data.task = "classification", or choose a numeric column as data.target',
            )
        return "classification", []
    if task == "classification":
        return "classification", []
    present = numbers[~np.isnan(numbers)]
    distinct = len(np.unique(present))
    whole = bool((present == np.floor(present)).all()) and distinct <= MOST_NUMBERED_CLASSES
    if task == "regression" or not whole:
        return "regression", []
    counted = f"the target '{cells.name}' holds {distinct} distinct whole numbers in {len(present)} rows"
    if distinct <= max(3, len(present) // _CLASS_SHARE):
        return "classification", [f'{counted}, taken as classes; data.task = "regression" predicts the number itself']
    return "regression", [f'{counted}, taken as quantities; data.task = "classification" makes them classes']


def _classes(cells: Cells, numbers: np.ndarray | None, present: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    if numbers is not None:
        found, ids = np.unique(numbers[present], return_inverse=True)
        names = tuple(number_name(value) for value in found)
    else:
        words = cells.text.drop_nulls()
        names = tuple(sorted(words.unique().to_list()))
        ids = class_ids(words.to_list(), names)
    if len(names) > max(MOST_NUMBERED_CLASSES, len(present) // 2):
        raise DataError(
            f"the target '{cells.name}' has a class of its own for nearly every row",
            evidence=f"{len(names)} distinct values in {len(present)} rows: {', '.join(names[:3])}, ...",
            remedy='choose another column as data.target, or data.task = "regression" for a number',
        )
    return names, ids.astype(np.int64)


def class_ids(words: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the class id of each word, int64, -1 for a word that is no class."""
    ids = {name: place for place, name in enumerate(classes)}
    return np.fromiter((ids.get(word, -1) for word in words), dtype=np.int64, count=len(words))


def read_more(target: Target, table: RawTable) -> Target:
    """Read the same target from another file, with the classes already known. Raises `DataError` for a new class.

    A full stop at the end of every label, as in the Adult test file, is dropped where that makes all labels known.
    """
    if target.task == "multi-label" or len(target.names) > 1:
        return read_more_of_several(target, table)
    name, form = next(zip(target.names, target.forms, strict=True))
    cells = cells_of(table, name)
    notes: list[str] = []
    numbers = read_numbers(cells, form) if form is not None else None
    if numbers is not None:
        rows = np.flatnonzero(~np.isnan(numbers))
        words = [number_name(value) for value in numbers[rows]] if target.classes else []
    else:
        rows = np.flatnonzero(cells.text.is_not_null().to_numpy())
        words = cells.words().drop_nulls().to_list()
    if len(rows) == 0:
        raise DataError(
            f"the target '{name}' has no value in any row of {table.path}",
            evidence=f"{len(cells.text)} rows, all empty or marked as missing",
            remedy="give a test file that has the target",
        )
    if len(rows) < len(cells.text):
        notes.append(f"{len(cells.text) - len(rows)} rows of the test file without a target were left out")
    if not target.classes:
        assert numbers is not None  # quantities always have a form
        values = numbers[rows].reshape(-1, 1)
    else:
        values = class_ids(words, target.classes)
        if (values < 0).any() and all(word.endswith(".") for word in words):
            values = class_ids([word[:-1] for word in words], target.classes)
            notes.append("the labels of the test file end with a full stop, which was dropped")
        if (values < 0).any():
            place = int(np.argmax(values < 0))
            raise DataError(
                f"the test file holds a class that the training file does not: '{words[place]}'",
                evidence=f"{cells.place(int(rows[place]))}; known: {', '.join(target.classes[:10])}",
                remedy="correct the label, or add training rows of that class",
            )
    return replace(target, rows=rows, values=values, notes=tuple(notes))
