"""What a pass over blocks keeps of numbers and words: moments that are merged, and counts that are bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

MOST_WORDS = 100_000
"""Distinct words of a column that are counted; a column with more holds text, not categories."""


@dataclass
class Moments:
    """Count, mean and deviation of numbers that come in pieces, merged pairwise (Chan, Golub and LeVeque 1979).

    Each is an array, one number for each place; the sums of squared deviations are never taken from a large total, so
    that nothing is lost where the mean is large beside the deviation.
    """

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, places: int) -> Moments:
        """Return the moments of no numbers at `places` places."""
        zeros = np.zeros(places)
        return cls(
            count=zeros.copy(),
            mean=zeros.copy(),
            squares=zeros.copy(),
            low=np.full(places, np.inf),
            high=np.full(places, -np.inf),
        )

    def add(self, values: np.ndarray) -> None:
        """Take in float64 `(n, places)`, in which NaN is no number."""
        if len(values) == 0:
            return
        there = ~np.isnan(values)
        count = there.sum(0)
        if bool((count == len(values)).all()):  # the common case, in half the time
            low, high, mean = values.min(0), values.max(0), values.mean(0)
            centred = values - mean
            squares = np.einsum("ij,ij->j", centred, centred)
        else:
            low, high = np.where(there, values, np.inf).min(0), np.where(there, values, -np.inf).max(0)
            mean = np.where(there, values, 0.0).sum(0) / np.maximum(count, 1)
            squares = np.where(there, (values - mean) ** 2, 0.0).sum(0)
        total = self.count + count
        shift = np.where(count > 0, mean - self.mean, 0.0)
        share = np.divide(count, total, out=np.zeros_like(mean), where=total > 0)
        self.mean = self.mean + shift * share
        self.squares = self.squares + squares + shift**2 * self.count * share
        self.count = total
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)

    @property
    def std(self) -> np.ndarray:
        """The population standard deviation, exactly 0 where all numbers are the same."""
        return np.where(self.high > self.low, np.sqrt(self.squares / np.maximum(self.count, 1)), 0.0)

    def filled(self, fill: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and deviation with `missing` numbers more that are all `fill`, at each place."""
        total = np.maximum(self.count + missing, 1)
        shift = np.where(self.count > 0, fill - self.mean, 0.0)
        mean = self.mean + shift * missing / total
        squares = self.squares + shift**2 * self.count * missing / total
        same = (self.high <= self.low) & ((missing == 0) | (fill == self.low))
        return mean, np.where(same, 0.0, np.sqrt(squares / total))


@dataclass
class Words:
    """How often each word of a column came, up to `MOST_WORDS` distinct ones, and how many cells were missing."""

    counts: Counter[str] = field(default_factory=Counter)
    missing: int = 0

    @property
    def too_many(self) -> bool:
        """Say whether there are more words than are counted."""
        return len(self.counts) > MOST_WORDS

    def add(self, counted: Iterable[tuple[str, int]], missing: int) -> None:
        """Take in the counts of a block."""
        self.missing += missing
        if self.too_many:
            return
        for word, count in counted:
            self.counts[word] += count
