"""The order of labels: how many runs of equal ones there are, and how many shuffling would give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class LabelOrder:
    """The runs of equal labels of a pass.

    `expected` is the mean number of runs over all orders of these labels, `deviations` how many standard deviations
    fewer there are; `long_share` the share of samples that stand in a run of at least `long` samples.
    """

    samples: int
    classes: int
    runs: int
    expected: float
    deviations: float
    longest: int
    long: int
    long_share: float


def label_order(labels: np.ndarray, *, long: int) -> LabelOrder:
    """Count the runs of `labels` `(n,)`. Mean and variance: Barton and David 1957, for any number of classes."""
    count = len(labels)
    _, sizes = np.unique(labels, return_counts=True)
    n, sizes = float(count), sizes.astype(np.float64)
    squares, cubes = float((sizes**2).sum()), float((sizes**3).sum())
    borders = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1], [True]]))
    lengths = np.diff(borders)
    expected = 1 + (n * n - squares) / n
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n * n * max(n - 1, 1))
    missing = expected - len(lengths)
    return LabelOrder(
        samples=count,
        classes=len(sizes),
        runs=len(lengths),
        expected=expected,
        deviations=missing / math.sqrt(variance) if variance > 1e-9 else 0.0,
        longest=int(lengths.max()),
        long=long,
        long_share=float(lengths[lengths >= long].sum()) / n,
    )
