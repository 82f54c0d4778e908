"""New rows of a table, a few at a time, as a trained network takes them: by name, with whatever is new said."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwright.data.encode import Values, encode
from trainwright.data.goals import Target
from trainwright.data.newdata import Piece, Remarks, encoded, named, place_of, target_of
from trainwright.data.numbers import NumberForm
from trainwright.data.preprocessing import Preprocessing, TablePlan, TargetPlan
from trainwright.data.rawtable import RawTable
from trainwright.data.rows import table_of_rows
from trainwright.data.tablefile import check_columns
from trainwright.data.tablefile import table_pieces as file_pieces
from trainwright.data.tables import aligned, read_as
from trainwright.data.targets import read_more
from trainwright.errors import DataError

if TYPE_CHECKING:
    import polars as pl

ROWS = 8_192
"""Rows that are held at a time."""


def table_pieces(preprocessing: Preprocessing, data: Any, remarks: Remarks, keep: Sequence[str]) -> Iterator[Piece]:
    """Yield the rows of a table; the order of the columns is free, and further ones are passed over."""
    plan, target = preprocessing.plan, preprocessing.target
    assert isinstance(plan, TablePlan)
    start = 0
    for place, table in enumerate(_tables(plan, target, data, keep)):
        if place == 0:
            for note in table.notes:
                remarks.note(note)
            _note_columns(plan, table, data, remarks)
        check_columns(keep, table, "keep")
        values = read_as(plan.columns, table)
        _count(plan, values, remarks)
        goal = None if target is None else _labels(target, table, remarks)
        count = len(table.lines)
        yield Piece(
            x=encode(plan.columns, values, np.arange(count)),
            places=range(start + 1, start + count + 1),
            y=None if goal is None or target is None else encoded(target, goal),
            labelled=None if goal is None else goal.rows,
            kept={name: table.frame.get_column(name).to_list() for name in keep},
        )
        start += count


def _tables(plan: TablePlan, target: TargetPlan | None, data: Any, keep: Sequence[str]) -> Iterator[RawTable]:
    if isinstance(data, str | os.PathLike):
        path = place_of(data)
        if path.is_dir():
            raise DataError(
                f"{path} is a folder, where a table is needed",
                evidence=f"the training data were a table with the columns {named(plan.needed)}",
                remedy="give a CSV or Parquet file",
            )
        for table in file_pieces(path, ROWS, known=plan.needed if plan.has_header else ()):
            yield aligned(table, plan.names, plan.has_header, needed=plan.needed)
        return
    wanted = list(dict.fromkeys([*plan.needed, *keep]))
    if isinstance(data, Mapping) or hasattr(data, "columns"):
        columns = data.keys() if isinstance(data, Mapping) else [str(name) for name in data.columns]
        goals = () if target is None else target.names
        wanted += [name for name in goals if set(goals) <= set(columns) and name not in wanted]
    yield table_of_rows(data, wanted)


def _note_columns(plan: TablePlan, table: RawTable, data: Any, remarks: Remarks) -> None:
    if isinstance(data, str | os.PathLike):
        columns = [*table.frame.columns, *table.unreadable]
    else:
        columns = [str(name) for name in (data if isinstance(data, Mapping) else data.columns)]
    extra = [name for name in columns if name not in plan.names]
    if extra:
        remarks.note(f"columns that the training file did not have were passed over: {named(extra)}")


def _count(plan: TablePlan, values: Values, remarks: Remarks) -> None:
    """Count what training did not know: categories, and missing values where it had none."""
    for column in plan.columns:
        found = values[column.name]
        if isinstance(found, np.ndarray):
            absent = int(np.isnan(found).sum())
        else:
            absent = found.null_count()
            _count_words(column.name, found, column.categories, remarks)
        if absent and not column.missing and column.varies:
            remarks.missing[column.name] += absent


def _count_words(name: str, words: pl.Series, categories: Sequence[str], remarks: Remarks) -> None:
    present = words.drop_nulls()
    strange = present.filter(~present.is_in(list(categories)))
    if len(strange):
        remarks.unseen[name] += len(strange)
        remarks.examples.setdefault(name, strange[0])


def _labels(plan: TargetPlan, table: RawTable, remarks: Remarks) -> Target | None:
    """Return the targets of the rows that have them, None where the table has none that can be read."""
    if remarks.unread_target or not set(plan.names) <= set(table.frame.columns):
        return None
    present = table.frame.select(list(plan.names)).drop_nulls()
    if present.height == 0:
        return None
    target = target_of(plan)
    if not plan.forms and plan.task != "classification":  # an embedded table, whose targets never were text
        target = replace(target, forms=(NumberForm(),) * len(plan.names))
    try:
        return read_more(target, table)
    except DataError as problem:
        remarks.unread_target = f"{problem.what} ({problem.evidence})"
        return None
