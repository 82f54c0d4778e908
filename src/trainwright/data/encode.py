"""Columns to the numbers that a network reads: fitted on the training rows alone, then applied to any rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from trainwright.data.columns import Column
from trainwright.data.numbers import NumberForm

if TYPE_CHECKING:
    import polars as pl

MOST_CATEGORIES = 50
"""Categories of one column that get an input of their own; where there are more, the rarer ones share "other"."""

Values = Mapping[str, "np.ndarray | pl.Series"]
"""Columns by name: float64 numbers with NaN where missing, or words with null where missing."""


@dataclass(frozen=True, kw_only=True)
class ColumnPlan:
    """How one column becomes inputs, with everything that was learnt from the training rows.

    A number is filled with `fill` (the median) where it is missing, then becomes (value - mean) / std; `varies` is
    False where it is the same in all training rows and so gives no input. A category becomes one input of 0 or 1 for
    each of `categories`, and one for `other` ones where there were too many. Either has one more input that says
    `missing`, where a value is missing in training.
    """

    name: str
    kind: Literal["number", "category"]
    form: NumberForm | None = None
    fill: float = 0.0
    mean: float = 0.0
    std: float = 1.0
    varies: bool = True
    categories: tuple[str, ...] = ()
    other: bool = False
    missing: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the inputs that the column becomes."""
        words = [*self.categories, *(["other"] if self.other else [])]
        own = [f"{self.name} = {word}" for word in words] if self.kind == "category" else [self.name] * self.varies
        return (*own, *([f"{self.name} is missing"] if self.missing else []))

    @property
    def groups(self) -> tuple[int, ...]:
        """The widths of the blocks that the inputs form: all of a category as one, a number and its "is missing" apart.

        Missing is one more word of a category, but no part of a number's size: so a block of width 1 is a number or a
        flag, and a wider one is a category, of whose inputs one at most is 1.
        """
        count = len(self.features)
        return (count,) if self.kind == "category" else (1,) * count


def fit_columns(
    columns: Sequence[Column], rows: np.ndarray, *, standardise: bool
) -> tuple[tuple[ColumnPlan, ...], tuple[str, ...]]:
    """Learn from the training `rows` alone how to encode the numeric and categorical among `columns`.

    Returns the plans and notes on what is left out: columns that are constant in training.
    """
    plans: list[ColumnPlan] = []
    notes: list[str] = []
    for column in columns:
        if column.kind not in ("number", "category"):
            continue
        if isinstance(column.values, np.ndarray):
            plan = _fit_numbers(column, column.values[rows], standardise)
        else:
            plan = _fit_words(column, column.values.gather(rows))
        if len(plan.features) > (plan.kind == "category"):  # one category alone says nothing
            plans.append(plan)
        else:
            notes.append(f"column '{column.name}' is the same in every training row; left out")
        if column.missing and plan.varies and plan.kind == "number":
            notes.append(f"column '{column.name}': {column.missing} missing values are filled with {plan.fill:g}")
        if plan.other:
            notes.append(
                f"column '{column.name}' has more than {MOST_CATEGORIES} categories in training; "
                f"all but the {MOST_CATEGORIES} most frequent count as other"
            )
    return tuple(plans), tuple(notes)


def _fit_numbers(column: Column, values: np.ndarray, standardise: bool) -> ColumnPlan:
    absent = np.isnan(values)
    if absent.all():  # only in training: the column has values elsewhere
        return ColumnPlan(name=column.name, kind="number", form=column.form, varies=False)
    fill = float(np.median(values[~absent]))
    learnt = fill, *mean_and_std(np.where(absent, fill, values))
    return number_plan(column, learnt, missing=bool(absent.any()), standardise=standardise)


def number_plan(column: Column, learnt: tuple[float, float, float], *, missing: bool, standardise: bool) -> ColumnPlan:
    """Return the plan of a column of numbers by what fills its gaps, its mean and its deviation."""
    fill, mean, std = learnt
    return ColumnPlan(
        name=column.name,
        kind="number",
        form=column.form,
        fill=fill,
        mean=mean if standardise else 0.0,
        std=std if standardise and std > 0 else 1.0,
        varies=std > 0,
        missing=missing,
    )


def mean_and_std(values: np.ndarray) -> tuple[float, float]:
    """Return mean and population standard deviation, exactly 0 for equal values, safe from overflow and underflow."""
    if values.max() == values.min():
        return float(values[0]), 0.0
    mean = float(values.mean())
    deviations = values - mean
    largest = float(np.abs(deviations).max())
    return mean, largest * float(np.sqrt(np.mean((deviations / largest) ** 2)))


def _fit_words(column: Column, words: pl.Series) -> ColumnPlan:
    counts = words.drop_nulls().value_counts().rows()
    frequent = sorted(counts, key=lambda row: (-row[1], row[0]))[:MOST_CATEGORIES]
    return ColumnPlan(
        name=column.name,
        kind="category",
        categories=tuple(sorted(str(word) for word, _ in frequent)),
        other=len(counts) > MOST_CATEGORIES,
        missing=words.null_count() > 0,
    )


def encode(plans: Sequence[ColumnPlan], values: Values, rows: np.ndarray) -> torch.Tensor:
    """Return the inputs of `rows` as float32 `(len(rows), features)`, by what was learnt in training.

    A category that was not seen in training counts as "other" where there is such an input, else it is all zeros.
    """
    matrix = np.zeros((len(rows), sum(len(plan.features) for plan in plans)), dtype=np.float32)
    start = 0
    for plan in plans:
        width = len(plan.features)
        block, column = matrix[:, start : start + width], values[plan.name]
        if isinstance(column, np.ndarray):
            _encode_numbers(plan, column[rows], block)
        else:
            _encode_words(plan, column.gather(rows), block)
        start += width
    return torch.from_numpy(matrix)


def _encode_numbers(plan: ColumnPlan, values: np.ndarray, block: np.ndarray) -> None:
    absent = np.isnan(values)
    if plan.varies:
        block[:, 0] = (np.where(absent, plan.fill, values) - plan.mean) / plan.std
    if plan.missing:
        block[:, -1] = absent


def _encode_words(plan: ColumnPlan, words: pl.Series, block: np.ndarray) -> None:
    import polars as pl

    places = {word: place for place, word in enumerate(plan.categories)}
    unseen = len(plan.categories) if plan.other else -1
    codes = words.replace_strict(places, default=unseen, return_dtype=pl.Int64)
    absent = words.is_null()
    codes = codes.set(absent, len(plan.features) - 1 if plan.missing else -1).to_numpy()
    known = np.flatnonzero(codes >= 0)
    block[known, codes[known]] = 1.0
