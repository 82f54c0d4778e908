"""What each column of a table is: numbers, categories, or something that a network cannot learn from."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from trainwright.data.numbers import Cells, NumberForm, all_numbers, number_form, number_name, read_numbers
from trainwright.data.rawtable import RawTable

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["number", "category", "text", "identifier", "constant", "date"]

_EXAMPLES = 3
_FEW_WORDS = 20  # distinct words up to which a column holds categories, however few the rows
_DATE = r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T]\d{1,2}:\d{2}.*)?$"
_ROW_COUNT = 20  # rows from which 1, 2, 3, ... can hardly be a coincidence


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """One column and what it is. `missing` and `distinct` count cells and values; `examples` are its first values.

    `values` are float64, NaN where missing, and `form` says how they were written; or words, null where missing.
    `note` is a sentence for the user where the column is left out or deserves a look, else empty.
    """

    name: str
    kind: Kind
    missing: int
    distinct: int
    examples: tuple[str, ...]
    note: str = ""
    form: NumberForm | None = None
    values: np.ndarray | pl.Series


def survey(table: RawTable, *, without: Collection[str] = ()) -> tuple[Column, ...]:
    """Return what each column is, but for those in `without`, judged over all rows of the table.

    What a column is belongs to the file, like its name; everything that is computed from values (fills, means,
    categories) is left to the training rows. Raises `DataError` for numbers that are infinite or mistyped.
    """
    names = [name for name in table.frame.columns if name not in without]
    return tuple(_survey(cells_of(table, name)) for name in names)


def cells_of(table: RawTable, name: str) -> Cells:
    """Return one column of a table with the place it stands in."""
    text = table.frame.get_column(name)
    return Cells(
        name=name,
        text=text,
        path=table.path,
        lines=table.lines,
        separator=table.separator,
        typed=table.typed,
        unit=table.unit,
    )


def number_column(name: str, numbers: np.ndarray) -> Column:
    """Return the column of numbers that were never text: float64 `(rows,)`, without missing values."""
    examples = tuple(f"{value:g}" for value in numbers[:_EXAMPLES])
    distinct = len(np.unique(numbers))
    return Column(
        name=name, kind="number", missing=0, distinct=distinct, examples=examples, form=NumberForm(), values=numbers
    )


def _survey(cells: Cells) -> Column:
    present = cells.text.drop_nulls()
    missing = len(cells.text) - len(present)
    distinct = present.n_unique()
    form = number_form(cells)
    numbers = read_numbers(cells, form) if form is not None else None
    if distinct == 0 or (distinct == 1 and missing == 0):
        kind: Kind = "constant"
        note = "holds no value at all" if distinct == 0 else f"holds '{_word(present[0])}' in every row"
        note = f"column '{cells.name}' {note}; left out"
    elif numbers is not None:
        kind, note = _number_kind(cells.name, numbers, distinct)
    else:
        kind, note = _word_kind(cells.name, present, distinct)
        if note and cells.typed and all_numbers(present):
            note = f"column '{cells.name}' holds numbers, but stored as text; left out (store them as numbers)"
    if form is not None and form.missing_word is not None:
        count = int((cells.text == form.missing_word).sum())
        note = f"column '{cells.name}': '{form.missing_word}' in {count} cells was taken as a missing value"
        missing += count
        distinct -= 1
    return Column(
        name=cells.name,
        kind=kind,
        missing=missing,
        distinct=distinct,
        examples=tuple(map(_word, present.unique(maintain_order=True).head(_EXAMPLES).to_list())),
        note=note,
        form=form,
        values=cells.text if numbers is None else numbers,
    )


def _word(value: str | float) -> str:
    return value if isinstance(value, str) else number_name(value)


def _number_kind(name: str, numbers: np.ndarray, distinct: int) -> tuple[Kind, str]:
    present = numbers[~np.isnan(numbers)]
    integral = bool((present == np.floor(present)).all())
    if integral and distinct == len(present) and _names_an_identifier(name):
        return "identifier", f"column '{name}' is an identifier, distinct in every row; left out"
    if len(numbers) >= _ROW_COUNT and len(present) == len(numbers) and bool((np.diff(numbers) == 1).all()):
        note = f"column '{name}' counts the rows up one by one; if it means nothing else, put it into data.ignore"
        return "number", note
    return "number", ""


def _word_kind(name: str, present: pl.Series, distinct: int) -> tuple[Kind, str]:
    if present.str.contains(_DATE).all():
        return "date", f"column '{name}' holds dates; left out (add columns such as year or weekday to use them)"
    if distinct <= max(_FEW_WORDS, len(present) // 2):
        return "category", ""
    if distinct == len(present) and (_names_an_identifier(name) or not present.str.contains(r"\s").any()):
        return "identifier", f"column '{name}' is an identifier, distinct in every row; left out"
    return "text", f"column '{name}' holds text, {distinct} distinct in {len(present)} rows; left out"


def _names_an_identifier(name: str) -> bool:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return re.search(r"(^|[\W_])(id|ids|uuid|guid|index|rowid)$|^unnamed", words) is not None
