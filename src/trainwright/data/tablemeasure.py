"""One pass over a table that stays on disk: all that is learnt from its training rows, and some rows of each split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from trainwright.data.blocks import PARTS, parts_of
from trainwright.data.columns import Column, cells_of
from trainwright.data.goals import Target
from trainwright.data.numbers import NumberForm, number_name, read_numbers
from trainwright.data.rawtable import RawTable
from trainwright.data.running import MOST_WORDS, Moments, Words
from trainwright.data.splits import Preparation
from trainwright.data.tableblocks import TableBlocks
from trainwright.errors import DataError
from trainwright.randomness import sample_uniforms

KEPT_ROWS = 8_192
"""Rows drawn from all: for medians, for the doctor's first look, for the network's initialisation."""


@dataclass(kw_only=True)
class Measured:
    """What one pass over all rows has found."""

    counts: np.ndarray  # (blocks, parts): samples of each part in each block
    numbers: Moments
    absent: np.ndarray  # missing training cells of each column of numbers
    words: dict[str, Words]
    labels: Counter[str] = field(default_factory=Counter)  # of one target column with classes, in all rows
    trained: Counter[str] = field(default_factory=Counter)  # ... in training rows
    goals: Moments
    without: int = 0  # rows without a target
    kept: dict[int, list[RawTable]] = field(default_factory=dict)  # of each part, some rows as they are stored


def measure(blocks: TableBlocks, columns: Sequence[Column], goal: Target, preparation: Preparation) -> Measured:
    """Go over all rows once, a block at a time. Raises `DataError` for a cell that is no number in a column of numbers.

    `columns` are those that are learnt from, as a sample of the rows showed them, and `goal` the target.
    """
    numbers = [column for column in columns if column.form is not None]
    found = Measured(
        counts=np.zeros((len(blocks.rows), len(PARTS)), dtype=np.int64),
        numbers=Moments.of(len(numbers)),
        absent=np.zeros(len(numbers)),
        words={column.name: Words() for column in columns if column.form is None},
        goals=Moments.of(goal.values.shape[1] if goal.values.ndim == 2 else 1),
    )
    share = min(1.0, KEPT_ROWS / max(1, int(blocks.rows.sum())))
    start = 0
    for block in range(len(blocks.rows)):
        table = blocks.read(block)
        count = len(table.lines)
        parts = parts_of(preparation, start, count)
        there = _with_target(goal, table)
        found.without += int((~there).sum())
        found.counts[block] = np.bincount(parts[there], minlength=len(PARTS))
        training = np.flatnonzero(there & (parts == 0))
        _take_in(found, rows_of(table, training), rows_of(table, np.flatnonzero(there)), numbers, goal)
        drawn = sample_uniforms(preparation.seed, 0, torch.arange(start, start + count), 1, "kept")[:, 0].numpy()
        for part in range(len(PARTS)):
            rows = np.flatnonzero(there & (parts == part) & (drawn < share))
            if len(rows):
                found.kept.setdefault(part, []).append(on_its_own(rows_of(table, rows)))
        start += count
    return found


def _with_target(goal: Target, table: RawTable) -> np.ndarray:
    there = np.ones(len(table.lines), dtype=bool)
    for name, form in zip(goal.names, goal.forms, strict=True):
        column = table.frame.get_column(name)
        there &= column.is_not_null().to_numpy()
        if form is not None and form.missing_word is not None and not column.dtype.is_numeric():
            there &= (column != form.missing_word).fill_null(False).to_numpy()
    return there


def _take_in(found: Measured, training: RawTable, whole: RawTable, numbers: Sequence[Column], goal: Target) -> None:
    """Take the rows with a target of one block in: `training` ones for what is learnt, all for the classes."""
    if len(training.lines) and numbers:
        values = np.stack(
            [read_numbers(cells_of(training, column.name), column.form) for column in numbers if column.form], axis=1
        )
        found.numbers.add(values)
        found.absent += np.isnan(values).sum(0)
    for name, words in found.words.items():
        series = cells_of(training, name).words()
        words.add(series.drop_nulls().value_counts().rows(), series.null_count())
    if not len(whole.lines):
        return
    if goal.task != "classification":
        if len(training.lines):
            found.goals.add(np.stack([_goal(training, name, form) for name, form in _formed(goal)], axis=1))
        return
    name, form = goal.names[0], goal.forms[0]
    for table, labels in ((whole, found.labels), (training, found.trained)):
        cells = cells_of(table, name)
        if form is None:
            labels.update(dict(cells.words().value_counts().rows()))
        elif len(table.lines):
            values, counts = np.unique(read_numbers(cells, form), return_counts=True)
            labels.update({number_name(value): int(count) for value, count in zip(values, counts, strict=True)})
    if len(found.labels) > MOST_WORDS:
        raise DataError(
            f"the target '{name}' has more than {MOST_WORDS:,} classes",
            remedy='choose another column as data.target, or data.task = "regression" for a number',
        )


def _formed(goal: Target) -> list[tuple[str, NumberForm]]:
    """Return the columns of a target of numbers, and how each writes them."""
    return [(name, form) for name, form in zip(goal.names, goal.forms, strict=True) if form is not None]


def _goal(table: RawTable, name: str, form: NumberForm) -> np.ndarray:
    return read_numbers(cells_of(table, name), form)


def rows_of(table: RawTable, rows: np.ndarray) -> RawTable:
    """Return some rows of a table, by their places in it."""
    return replace(table, frame=table.frame[rows], lines=table.lines[rows])


def on_its_own(table: RawTable) -> RawTable:
    """Return a table whose words have memory of their own: rows of a block would keep the words of all of it."""
    import polars as pl

    return replace(table, frame=pl.DataFrame(table.frame.to_dict(as_series=False), schema=table.frame.schema))
