"""What each loss should be before any training, and the least that it can be, with its options.

`outputs` is the number of classes, or of target columns.
"""

from __future__ import annotations

import math

from trainwright import defaults


def nothing(outputs: int, **options: object) -> float:
    """Return 0: a perfect answer costs nothing."""
    return 0.0


def uniform(outputs: int, **options: object) -> float:
    """Return log C, the surprise at any class when none is favoured; weights and smoothing leave it as it is."""
    return math.log(outputs)


def smoothed(outputs: int, *, label_smoothing: float = 0.0, **options: object) -> float:
    """Return the entropy of a smoothed target: 1 - e + e / C for its class, e / C for each other."""
    other = label_smoothing / outputs
    shares = [1 - label_smoothing + other, *[other] * (outputs - 1)]
    return -sum(share * math.log(share) for share in shares if share > 0)


def undecided(outputs: int, *, pos_weight: float = 1.0) -> float:
    """Return what a logit of 0 costs where yes is as frequent as no: log 2, times the mean of both weights."""
    return math.log(2) * (1 + pos_weight) / 2


def focal_undecided(
    outputs: int,
    *,
    gamma: float = defaults.FOCAL_GAMMA.value,
    alpha: float = 0.0,
    weights: tuple[float, ...] = (),
) -> float:
    """Return (1 - 1/C)^gamma log C. One output is one yes or no, C = 2, and so is each of several labels: ask for 1.

    With `alpha`, times the mean of its two factors where yes is as frequent as no.
    """
    classes = max(2, outputs)
    value = (1 - 1 / classes) ** gamma * math.log(classes)
    if not alpha:
        return value
    no, yes = weights or (1.0, 1.0)
    return value * (alpha * yes + (1 - alpha) * no) / (yes + no)
