"""Which rows train, which choose and which report: a pure function of seed, count and labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from trainwright.errors import DataError, UsageError
from trainwright.randomness import generator


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The rows of each split: int64, ascending, disjoint, together all rows."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How to prepare and divide the rows: standardised or as they are, and the shares to hold out."""

    standardise: bool
    validation: float
    test: float
    seed: int

    def divide(
        self, count: int, *, labels: np.ndarray | None, with_test: bool = True, with_validation: bool = True
    ) -> Parts:
        """Divide `count` rows by these shares; without `with_test`, the test rows come from elsewhere."""
        test = self.test if with_test else 0.0
        validation = self.validation if with_validation else 0.0
        return split_rows(count, labels=labels, validation=validation, test=test, seed=self.seed)


def check_fractions(validation: float, test: float) -> None:
    """Raise `UsageError` unless both fractions lie in [0, 1) and leave something to train on."""
    for name, value in (("validation", validation), ("test", test)):
        if not 0.0 <= value < 1.0:
            raise UsageError(
                f"the {name} fraction must be at least 0 and below 1",
                evidence=f"data.{name} = {value}",
                remedy=f"set data.{name} to the share of the rows to hold out, such as 0.15 (0 for none)",
            )
    if validation + test >= 1.0:
        raise UsageError(
            "the validation and the test fraction leave no rows to train on",
            evidence=f"data.validation + data.test = {validation} + {test} = {validation + test:g}",
            remedy="choose fractions whose sum is below 1, such as 0.15 and 0.15",
        )


def split_rows(count: int, *, labels: np.ndarray | None = None, validation: float, test: float, seed: int = 0) -> Parts:
    """Divide `count` rows at random into training, validation and test rows.

    With `labels` (class ids, `(count,)`) each class is divided in proportion, to within one row: every class with at
    least as many rows as there are splits is present in each, and a rarer one goes to training entirely. A fraction
    of 0 gives an empty part. The test rows do not depend on the validation fraction as long as every class has rows to
    spare. Raises `DataError` where there are too few rows, `UsageError` where the fractions make no sense.
    """
    check_fractions(validation, test)
    wanted = 1 + (validation > 0) + (test > 0)
    groups = np.zeros(count, dtype=np.int64) if labels is None else labels
    _, ids, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    divisible = np.where(sizes >= wanted, sizes, 0)
    if wanted > 1 and not divisible.any():
        raise DataError(
            f"there are too few rows to divide into {wanted} splits",
            evidence=f"{count} rows" + ("" if labels is None else f", at most {sizes.max(initial=0)} in any class"),
            remedy=f"give at least {wanted} rows"
            + ("" if labels is None else " of a class")
            + ", or set data.validation or data.test to 0",
        )
    held_test, held_validation = _shares(divisible, test), _shares(divisible, validation)
    _leave_one(held_test, held_validation, sizes)

    order = torch.randperm(count, generator=generator(seed, "split")).numpy()
    by_class = order[np.argsort(ids[order], kind="stable")]  # one class after the other, each in random order
    class_of = ids[by_class]
    rank = np.arange(count) - (np.cumsum(sizes) - sizes)[class_of]
    in_test = rank < held_test[class_of]
    in_validation = ~in_test & (rank < (held_test + held_validation)[class_of])
    return Parts(
        train=np.sort(by_class[~in_test & ~in_validation]),
        validation=np.sort(by_class[in_validation]),
        test=np.sort(by_class[in_test]),
    )


def _shares(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """Return how many rows of each class to hold out; the sum is right to within one row, but for classes of few."""
    if fraction == 0.0:
        return np.zeros_like(sizes)
    # Rounding the running total, not each class, keeps the sum right however many classes there are.
    shares = np.diff(np.rint(np.cumsum(sizes) * fraction).astype(np.int64), prepend=0)
    return np.where(sizes > 0, np.maximum(shares, 1), 0)


def _leave_one(test: np.ndarray, validation: np.ndarray, sizes: np.ndarray) -> None:
    """Reduce, in place, the larger share of each class until one row at least is left to train on."""
    while (over := (test + validation >= sizes) & (test + validation > 0)).any():
        larger = test >= validation
        test[over & larger] -= 1
        validation[over & ~larger] -= 1
