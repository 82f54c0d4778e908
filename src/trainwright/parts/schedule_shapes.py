"""The shapes: how the rate moves over what follows the warmup, as plain functions of `place` in [0, 1].

Each returns the multiple of the base rate, in [0, 1]. Where a schedule names places in the run (a drop at 0.3), these
are fractions of the whole run, warmup included: drops at 0.3 and 0.6 of 100 epochs come at epochs 30 and 60 with a
warmup and without.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

# 0.9 / 0.3 may come out as 2.999...: the tiny push keeps a drop at its boundary, not one step behind it.
_PUSH = 1e-9


def constant(place: float) -> float:
    """The full rate throughout."""
    return 1.0


def step(place: float, *, every: float, factor: float, warmup: float) -> float:
    """factor ** floor(t / every), with t the fraction of the whole run. Source: G2, chapter 6."""
    return factor ** math.floor(_in_the_run(place, warmup) / every + _PUSH)


def multistep(place: float, *, at: Sequence[float], factor: float, warmup: float) -> float:
    """factor ** (number of the places `at`, fractions of the whole run, that have passed). Source: G3."""
    return factor ** bisect_right(at, _in_the_run(place, warmup) + _PUSH)


def exponential(place: float, *, final: float) -> float:
    """final ** place: the same factor at every step, ending at `final`."""
    return final**place


def polynomial(place: float, *, power: float, floor: float) -> float:
    """floor + (1 - floor) * (1 - place) ** power; a straight line where power is 1. Source: G1 (linear decay)."""
    return floor + (1 - floor) * (1 - place) ** power


def cosine(place: float, *, floor: float) -> float:
    """floor + (1 - floor) * (1 + cos(pi * place)) / 2. Source: G2, chapter 6; Loshchilov and Hutter 2017."""
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * place))


def one_cycle(place: float, *, rise: float, start: float, end: float) -> float:
    """Half a cosine from `start` up to 1 at `rise`, and half a cosine from there down to `end`.

    Source: Smith and Topin 2018, with cosines for their straight lines as fastai and torch have it; G3.
    """
    if place < rise:
        return cosine(1 - place / rise, floor=start)
    return cosine((place - rise) / (1 - rise), floor=end)


def inverse_momentum(place: float, *, rise: float, high: float, low: float) -> float:
    """The momentum beside `one_cycle`: from `high` down to `low` where the rate is highest, and back."""
    return high - (high - low) * one_cycle(place, rise=rise, start=0.0, end=0.0)


def restarts(place: float, *, ends: Sequence[float], floor: float) -> float:
    """In each cycle `cosine` from 1 to `floor`; `ends` are where the cycles end, the last one at 1.

    Source: Loshchilov and Hutter 2017 (warm restarts); Huang et al. 2017 (snapshot ensembles).
    """
    _, within = _cycle(place, ends)
    return cosine(within, floor=floor)


def triangles(place: float, *, ends: Sequence[float], floor: float, swing_factor: float) -> float:
    """In each cycle a straight line from `floor` up to 1 and back; each swing is `swing_factor` times the one before.

    Source: Smith 2017 (triangular; triangular2 where the factor is 0.5).
    """
    cycle, within = _cycle(place, ends)
    return floor + (1 - floor) * swing_factor**cycle * (1 - abs(2 * within - 1))


def stable_decay(place: float, *, share: float, shape: str, floor: float) -> float:
    """1 until the last `share`, over which it comes down to `floor` in the given `shape`.

    With x from 0 to 1 over that share: "linear" is 1 - x, "cosine" half a cosine, "sqrt" 1 - sqrt(x). Source: Hu et al.
    2024 (MiniCPM); Hägele et al. 2024, who found "sqrt" the best of the three.
    """
    within = min(max((place - (1 - share)) / share, 0.0), 1.0)
    left = {"linear": 1 - within, "cosine": cosine(within, floor=0.0), "sqrt": 1 - math.sqrt(within)}[shape]
    return floor + (1 - floor) * left


def cycle_ends(cycles: int, growth: float) -> tuple[float, ...]:
    """Return where each of `cycles` ends that fill [0, 1], each `growth` times as long as the one before."""
    lengths = [growth**cycle for cycle in range(cycles)]
    return (*(math.fsum(lengths[: cycle + 1]) / math.fsum(lengths) for cycle in range(cycles - 1)), 1.0)


def _cycle(place: float, ends: Sequence[float]) -> tuple[int, float]:
    """Return which cycle `place` is in, from 0, and how far within it; the end of the last one belongs to it."""
    cycle = bisect_right(ends, place + _PUSH, hi=len(ends) - 1)
    begin = ends[cycle - 1] if cycle else 0.0
    return cycle, min(max((place - begin) / (ends[cycle] - begin), 0.0), 1.0)


def _in_the_run(place: float, warmup: float) -> float:
    return warmup + place * (1 - warmup)
