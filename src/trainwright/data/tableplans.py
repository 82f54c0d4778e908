"""How the columns of a table that stays on disk become inputs, by what the pass over its rows has found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.data.columns import Column, cells_of
from trainwright.data.encode import MOST_CATEGORIES, ColumnPlan, number_plan
from trainwright.data.numbers import read_numbers
from trainwright.data.running import MOST_WORDS, Words
from trainwright.data.tablemeasure import Measured


def plans_of(
    columns: Sequence[Column], found: Measured, *, standardise: bool
) -> tuple[tuple[ColumnPlan, ...], list[str]]:
    """Return how each column becomes inputs, by what the training rows hold."""
    notes: list[str] = []
    plans: list[ColumnPlan] = []
    numbers = [column for column in columns if column.form is not None]
    fills = np.array([_median(column, found, place) for place, column in enumerate(numbers)])
    means, stds = found.numbers.filled(fills, found.absent) if len(numbers) else (fills, fills)
    places = {column.name: place for place, column in enumerate(numbers)}
    for column in columns:
        if column.form is None:
            words = found.words[column.name]
            if words.too_many:
                notes.append(f"column '{column.name}' holds text, more than {MOST_WORDS:,} distinct; left out")
                continue
            plan = _word_plan(column.name, words)
        else:
            place = places[column.name]
            plan = _number_plan(column, found, place, (fills[place], means[place], stds[place]), standardise)
        if len(plan.features) > (plan.kind == "category"):
            plans.append(plan)
        else:
            notes.append(f"column '{column.name}' is the same in every training row; left out")
        if plan.other:
            notes.append(
                f"column '{column.name}' has more than {MOST_CATEGORIES} categories in training; "
                f"all but the {MOST_CATEGORIES} most frequent count as other"
            )
        if plan.missing and plan.kind == "number" and plan.varies:
            count = int(found.absent[places[column.name]])
            notes.append(
                f"column '{column.name}': {count:,} missing training values are filled with {plan.fill:g}, the median "
                "of rows drawn at random"
            )
    return tuple(plans), notes


def _number_plan(
    column: Column, found: Measured, place: int, learnt: tuple[float, float, float], standardise: bool
) -> ColumnPlan:
    if found.numbers.count[place] == 0:
        return ColumnPlan(name=column.name, kind="number", form=column.form, varies=False)
    fill, mean, std = (float(value) for value in learnt)
    missing = bool(found.absent[place] > 0)
    return number_plan(column, (fill, mean, std), missing=missing, standardise=standardise)


def _word_plan(name: str, words: Words) -> ColumnPlan:
    frequent = sorted(words.counts.items(), key=lambda row: (-row[1], row[0]))[:MOST_CATEGORIES]
    return ColumnPlan(
        name=name,
        kind="category",
        categories=tuple(sorted(word for word, _ in frequent)),
        other=len(words.counts) > MOST_CATEGORIES,
        missing=words.missing > 0,
    )


def _median(column: Column, found: Measured, place: int) -> float:
    """Return the median of the training rows that were kept; of those where there is none, the mean of all."""
    assert column.form is not None
    kept = [read_numbers(cells_of(table, column.name), column.form) for table in found.kept.get(0, [])]
    values = np.concatenate(kept) if kept else np.empty(0)
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else float(found.numbers.mean[place])
