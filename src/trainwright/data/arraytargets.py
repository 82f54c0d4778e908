"""Arrays of targets that came from a file: class ids, class names, labels of 0 and 1, or quantities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainwright.data.goals import Target
from trainwright.data.numbers import number_name
from trainwright.data.targets import MOST_NUMBERED_CLASSES
from trainwright.errors import DataError
from trainwright.records import Task


def array_target(y: np.ndarray, *, where: str, task: str = "auto", classes: Sequence[str] = ()) -> Target:
    """Read the targets of n samples, `(n,)` or `(n, columns)`; `where` names the array in errors.

    With `task` "auto", words and whole numbers `(n,)` are classes, whole or boolean columns of 0 and 1 are labels, and
    floating-point numbers are quantities. `classes` names the ids 0, 1, 2, ..., or the labels; without, classes name
    themselves, and ids follow their sorted names. Raises `DataError` for other types, for rows of one 1 among zeros
    (classes or labels: only the user knows), for numbers that are not finite, and where there is nothing to learn.
    """
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 and task != "multi-label" else y
    resolved = _task(y, task, where)
    if resolved == "classification":
        names, values = _classes(y, where, classes)
    else:
        values = _columns(y, resolved, where)
        names = _label_names(classes, values.shape[1], where) if resolved == "multi-label" else ()
    _check_varies(values, names, resolved, where)
    columns = (where,) if resolved == "classification" or values.shape[1] == 1 else ()
    columns = columns or names or tuple(f"{where}[:, {place}]" for place in range(values.shape[1]))
    notes = _many_classes_note(y, names, where) if task == "auto" and resolved == "classification" else ()
    return Target(names=columns, task=resolved, classes=names, rows=np.arange(len(values)), values=values, notes=notes)


def more_of(target: Target, y: np.ndarray, *, where: str, classes: Sequence[str] = ()) -> Target:
    """Read the same targets for other samples; `classes` are the names that were given for training.

    Raises `DataError` for a class that training does not have, and for other columns than training has.
    """
    if target.task != "classification":
        values = _columns(y, target.task, where)
        if values.shape[1] != target.values.shape[1]:
            raise DataError(
                f"{where} has other columns than the targets of training",
                evidence=f"{values.shape[1]} columns, {target.values.shape[1]} in training",
                remedy="store the same columns for every split",
            )
        return replace(target, rows=np.arange(len(values)), values=values, notes=())
    labels = _labels(y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y, where)
    given = bool(classes) and labels.dtype.kind != "U"  # then the labels are places in the list of names
    known = [str(place) for place in range(len(classes))] if given else list(target.classes)
    ids = {word: place for place, word in enumerate(known)}
    found, inverse = np.unique(labels, return_inverse=True)
    values = np.array([ids.get(_name(value), -1) for value in found.tolist()], dtype=np.int64)[inverse.reshape(-1)]
    if (values < 0).any():
        place = int(np.argmax(values < 0))
        raise DataError(
            f"{where}: the label '{_name(labels[place].item())}' does not occur in training",
            evidence=f"sample {place}; known: {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}",
            remedy="correct the label, or take all splits from the same release of the data set",
        )
    return replace(target, rows=np.arange(len(values)), values=values, notes=())


def _check_varies(values: np.ndarray, names: Sequence[str], task: Task, where: str) -> None:
    alike = values.min(0) == values.max(0)
    if not (alike.any() if task == "regression" else alike.all()):
        return
    if task == "classification":
        raise DataError(
            f"{where}: one class only, so there is nothing to learn",
            evidence=f"{len(values):,} samples of the class '{names[values[0]]}'",
            remedy="give samples of other classes, too",
        )
    column = int(np.argmax(alike))
    raise DataError(
        f"{where}: a column is the same in every row, so there is nothing to learn",
        evidence=f"column {column}: {values[0, column]:g} in {len(values):,} rows",
        remedy="leave the column out, or give samples with other values",
    )


def _task(y: np.ndarray, task: str, where: str) -> Task:
    if y.ndim not in (1, 2) or y.shape[-1] == 0:
        raise DataError(
            f"{where} does not hold one row of targets for each sample",
            evidence=f"shape {y.shape}, {y.dtype}",
            remedy="store targets of the shape (n,) or (n, columns)",
        )
    if task in ("classification", "regression", "multi-label"):
        return task
    if y.dtype.kind in "US" or (y.dtype.kind in "iub" and y.ndim == 1):
        return "classification"
    if y.dtype.kind not in "iub":
        return "regression"
    binary = bool(((y == 0) | (y == 1)).all())
    if binary and not (y.sum(1) == 1).all():
        return "multi-label"
    raise DataError(
        f"{where} holds whole numbers in several columns, which may mean several things",
        evidence=f"shape {y.shape}, " + ("one 1 in every row" if binary else f"values up to {y.max()}"),
        remedy="store y.argmax(1) for one-hot rows; or set data.task to 'multi-label' or 'regression'",
    )


def _labels(y: np.ndarray, where: str) -> np.ndarray:
    """Return labels `(n,)`, whole numbers or words, as int64 or as text."""
    if y.ndim != 1 or y.dtype.kind not in "USiubf":
        raise DataError(
            f"{where} does not hold one class for each sample",
            evidence=f"shape {y.shape}, {y.dtype}",
            remedy="store class ids or names of the shape (n,): y.argmax(1) for one-hot rows",
        )
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "replace")
    if y.dtype.kind == "f":
        broken = ~(np.isfinite(y) & (y == np.floor(y)))
        if broken.any():
            place = int(np.argmax(broken))
            raise DataError(
                f"{where} does not hold class ids",
                evidence=f"{int(broken.sum())} of {len(y)} are not whole, the first at index {place}: {y[place]:g}",
                remedy='store whole numbers, or set data.task = "regression"',
            )
    return y if y.dtype.kind == "U" else y.astype(np.int64)


def _name(value: str | float) -> str:
    return value if isinstance(value, str) else number_name(value)


def _classes(y: np.ndarray, where: str, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    labels = _labels(y, where)
    found, ids = np.unique(labels, return_inverse=True)
    if names and labels.dtype.kind != "U":
        if found[0] < 0 or found[-1] >= len(names):
            raise DataError(
                f"{where} holds ids that the names of the classes do not cover",
                evidence=f"ids {found[0]} to {found[-1]}, {len(names)} names",
                remedy="store one name for each id, in their order",
            )
        return tuple(names), labels.astype(np.int64)
    if len(found) > max(MOST_NUMBERED_CLASSES, len(labels) // 2):
        raise DataError(
            f"{where} has a class of its own for nearly every sample",
            evidence=f"{len(found)} distinct values in {len(labels)} samples: {', '.join(map(str, found[:3]))}, ...",
            remedy='set data.task = "regression" for quantities',
        )
    return tuple(_name(value) for value in found.tolist()), ids.reshape(-1).astype(np.int64)


def _many_classes_note(y: np.ndarray, names: Sequence[str], where: str) -> tuple[str, ...]:
    if y.dtype.kind not in "iu" or len(names) <= MOST_NUMBERED_CLASSES:
        return ()
    return (
        f"{where} holds {len(names)} distinct whole numbers, taken as classes; "
        'data.task = "regression" predicts the number itself',
    )


def _columns(y: np.ndarray, task: Task, where: str) -> np.ndarray:
    """Return quantities or labels as float64 `(n, columns)`."""
    if y.dtype.kind not in "iubf":
        raise DataError(
            f"{where} holds words, where numbers are needed",
            evidence=f"{y.dtype}, the first is {y.reshape(-1)[0]!r}",
            remedy="store numbers, or set data.task = 'classification' for one class each",
        )
    values = y.reshape(len(y), -1).astype(np.float64)
    wrong = ~np.isfinite(values) if task == "regression" else ~((values == 0) | (values == 1))
    if wrong.any():
        place, column = (int(index) for index in np.argwhere(wrong)[0])
        what = "a finite number" if task == "regression" else "0 or 1"
        raise DataError(
            f"every target in {where} must be {what}",
            evidence=f"row {place}, column {column}: {values[place, column]:g}",
            remedy="correct the value, or leave the row out",
        )
    return values


def _label_names(names: Sequence[str], count: int, where: str) -> tuple[str, ...]:
    if names and len(names) != count:
        raise DataError(
            f"{where} has other labels than there are names for",
            evidence=f"{count} columns, {len(names)} names",
            remedy="store one name for each column",
        )
    return tuple(names) or tuple(str(place) for place in range(count))
