"""Cells of text to numbers: how a column writes its numbers, and the line and value of what is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainwright.errors import DataError

if TYPE_CHECKING:
    import polars as pl

NUMERIC_SHARE = 0.9
"""Share of numbers from which a column counts as numeric, so that the few other cells are mistakes, not categories."""
_FEW = 20  # distinct numbers up to which a column with words among its numbers holds codes, not quantities
_DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?([eE][+-]?\d+)?$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"  # 1,234,567.8: commas that group thousands
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class NumberForm:
    """How a column writes its numbers: the decimal mark, true and false for 1 and 0, a word that means missing."""

    decimal_comma: bool = False
    boolean: bool = False
    missing_word: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """One column as stored: `text` (String, null where missing), and the file and lines it stands in.

    Of a `typed` file, `text` is Float64 where the column holds numbers, and a String column holds words whatever they
    look like. `unit` is what `lines` count.
    """

    name: str
    text: pl.Series
    path: str
    lines: np.ndarray
    separator: str = ","
    typed: bool = False
    unit: str = "line"

    @property
    def numeric(self) -> bool:
        """Whether the cells are numbers already, not text."""
        return self.text.dtype.is_numeric()

    def place(self, row: int) -> str:
        """Return where a row stands: "data.csv, line 7"."""
        return f"{self.path}, {self.unit} {self.lines[row]}"

    def words(self) -> pl.Series:
        """Return the cells as words, whole numbers without a point."""
        import polars as pl

        if not self.numeric:
            return self.text
        words = [None if value is None else number_name(value) for value in self.text.to_list()]
        return pl.Series(self.name, words, dtype=pl.String)


def number_name(value: float) -> str:
    """Return a number as a name: "3" for a whole number, else the shortest text that reads back as the same."""
    return str(int(value)) if np.isfinite(value) and value == int(value) else repr(float(value))


def number_form(cells: Cells) -> NumberForm | None:
    """Return how the column writes its numbers, or None where it holds words.

    A column in which at least nine cells of ten are numbers, of more than 20 distinct values, is numeric: if the other
    cells all hold one and the same word, that word means missing; otherwise they are mistakes, and `DataError` names
    the first. Returns None for a column without values, and for words that their file declares to be text.
    """
    text = cells.text.drop_nulls()
    if text.is_empty():
        return None
    if cells.numeric:
        return NumberForm()
    if text.str.to_lowercase().is_in(["true", "false"]).all():
        return NumberForm(boolean=True)
    if cells.typed:
        return None
    if all_numbers(text):
        return NumberForm()
    if cells.separator == ";" and _parse(text, comma := NumberForm(decimal_comma=True)).null_count() == 0:
        return comma
    forms = (NumberForm(), NumberForm(decimal_comma=True)) if cells.separator == ";" else (NumberForm(),)
    form = min(forms, key=lambda form: _parse(text, form).null_count())
    return _with_strays(cells, text, form)


def _with_strays(cells: Cells, text: pl.Series, form: NumberForm) -> NumberForm | None:
    parsed = _parse(text, form)
    strays = text.filter(parsed.is_null())
    if len(strays) > (1 - NUMERIC_SHARE) * len(text) or parsed.drop_nulls().n_unique() <= _FEW:
        return None
    words = strays.unique(maintain_order=True)
    if len(words) == 1 and len(strays) > 1:
        return NumberForm(decimal_comma=form.decimal_comma, missing_word=words[0])
    raise _not_a_number(cells, cells.text == words[0], f"{len(strays)} of {len(text)} cells are no numbers")


def read_numbers(cells: Cells, form: NumberForm) -> np.ndarray:
    """Return the column as float64 `(rows,)`, NaN where a value is missing.

    Raises `DataError`, naming line and column, for a cell that is no number, and for one that is infinite or too large
    for float32.
    """
    text = cells.text
    if form.missing_word is not None and not cells.numeric:
        text = text.set(text == form.missing_word, None)
    parsed = text if cells.numeric else _parse(text, form)
    strays = parsed.is_null() & text.is_not_null()
    if strays.any():
        raise _not_a_number(cells, strays, "the column holds numbers otherwise")
    too_large = parsed.abs() > _LARGEST
    if too_large.any():
        row = int(too_large.arg_true()[0])
        raise DataError(
            f"column '{cells.name}' holds a value that is not finite, or too large for a 32-bit number",
            evidence=f"{cells.place(row)}, column '{cells.name}': '{cells.text[row]}'",
            remedy="correct the value, leave the cell empty if it is unknown, or remove the row",
        )
    return parsed.fill_null(float("nan")).to_numpy().astype(np.float64, copy=True)


def all_numbers(text: pl.Series) -> bool:
    """Return whether every cell of text is a number."""
    return _parse(text, NumberForm()).null_count() == 0


def _parse(text: pl.Series, form: NumberForm) -> pl.Series:
    import polars as pl

    if form.boolean:
        low = text.str.to_lowercase()
        return low.replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    if form.decimal_comma:
        plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        # Points only as they group thousands: 1.5 among decimal commas is a mistake, not fifteen.
        return plain.cast(pl.Float64, strict=False).set(~text.str.contains(_DECIMAL_COMMA).fill_null(True), None)
    grouped = text.str.contains(_GROUPED).fill_null(False)
    if grouped.any():
        text = text.str.replace_all(",", "", literal=True).zip_with(grouped, text)
    return text.cast(pl.Float64, strict=False)


def _not_a_number(cells: Cells, where: pl.Series, evidence: str) -> DataError:
    row = int(where.arg_true()[0])
    return DataError(
        f"column '{cells.name}' holds numbers, but not in {cells.unit} {cells.lines[row]} of {cells.path}",
        evidence=f"'{cells.text[row]}'; {evidence}",
        remedy=f"correct the cell, leave it empty if the value is unknown, or leave the column out: "
        f'data.ignore = ["{cells.name}"]',
    )
