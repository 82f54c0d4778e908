"""From coarse to fine: after each round every axis widens, zooms, or stays, and says why. Source: G2, chapter 4.

Positions are fractions of the axis on its own scale. All trials that lie inside the present box count, those of
earlier rounds too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from trainwright.doctor.search import FEWEST, TOP, beyond, leaning
from trainwright.records.findings import Scalar
from trainwright.records.space import Axis, Space, is_inside
from trainwright.records.study import Action, Move, Trial, all_alike, is_guessing, merged, ranked
from trainwright.report.numbers import number as written
from trainwright.report.numbers import plural

EDGE, ONE_SIDED = 0.2, 1.64
"""As in the doctor's edge test, but quicker to move: a needless widening costs part of a round, a missed one the best
value. Of bowls that end beyond the range 97 in 100 were widened, of those with their optimum well inside 5, of axes
that make no difference 2.
"""
HALF_A_DECADE = math.sqrt(10.0)
"""Highest over lowest of the narrowest logarithmic box: within a factor of 1.8 of the best, rates hardly differ."""
NARROWEST = 0.1
"""Width of the narrowest linear box, as a share of the range that was first searched."""
FEWEST_VALUES = 3
"""Whole numbers that are left at the least."""
RATES = ("lr", "rate", "learning_rate")
"""Last part of the names of learning rates, of which is known where they are found."""
USUAL = (1e-5, 1.0)
"""From where to where: every default of the catalogue lies inside, two decades or more from the lower end."""
OUTSIDE = (1e-4, 1.0)
"""A range that ends below the first, or begins above the second, holds no rate that usually trains a network."""
SURELY_WORSE = 8
"""Trials of a choice, all of them in the worse half, after which it is dropped: by chance 1 in 256."""


def move(
    space: Space, trials: Sequence[Trial], *, number: int, first: Space, guess: float | None = None
) -> tuple[Move, ...]:
    """Return one move for each axis after round `number`; `first` is the space of the first round.

    Where no trial is better than `guess`, the score of guessing, a rate that was searched where rates never are is
    searched where they are.
    """
    inside = ranked(trial for trial in merged(trials) if trial.status != "running" and is_inside(trial.values, space))
    scored = [trial for trial in inside if trial.status != "failed" and trial.score is not None]
    moves, lost = [], bool(inside) and all(is_guessing(trial.score, guess) for trial in inside)
    for name, axis in space.items():
        elsewhere = usual(name, axis) if lost else None
        if elsewhere is not None:
            told = f"none of {plural(len(inside), 'trial')} is better than guessing, {written(guess or 0.0)}"
            action, after, reason = "moved", elsewhere, f"{told}, and few rates are found where these were"
        elif axis.scale == "choice":
            tried = [trial.values[name] for trial in inside if name in trial.values]
            action, after, reason = _choose(axis, tried)
        else:
            values = [trial.values[name] for trial in scored if name in trial.values]
            having = [trial for trial in scored if name in trial.values]
            action, after, reason = _move(axis, values, first.get(name, axis), good=_good(having))
        moves.append(Move(round=number, name=name, action=action, before=axis, after=after, reason=reason))
    return tuple(moves)


def _good(order: Sequence[Trial]) -> int:
    """Return how many of the trials, from best to worst, count as good: a quarter, and who ties with the last of it. 0
    where all are alike.
    """
    if all_alike(order):
        return 0
    count = max(round(TOP * len(order)), 2)
    while count < len(order) and (order[count].rung, order[count].score) == (
        order[count - 1].rung,
        order[count - 1].score,
    ):
        count += 1
    return count


def moved(space: Space, moves: Sequence[Move]) -> dict[str, Axis]:
    """Return the space after the moves."""
    return {**space, **{one.name: one.after for one in moves}}


def _move(axis: Axis, values: Sequence[Scalar], first: Axis, *, good: int) -> tuple[Action, Axis, str]:
    if len(values) < FEWEST:
        return "kept", axis, f"{plural(len(values), 'trial')} with a score: too few to judge by; {FEWEST} are needed"
    if not good:
        return "kept", axis, "all scores are equal"
    units = [axis.unit(value) for value in values]
    top = units[:good]
    side = leaning(axis, values, edge=EDGE, deviations=ONE_SIDED)
    if side is not None:
        low, high = beyond(axis, side)
        if (low, high) != (axis.low, axis.high):
            end = axis.low if side == "low" else axis.high
            reason = (
                f"the best, {_text(values[0])}, and the best {len(top)} of {len(values)} hug the "
                f"{'lower' if side == 'low' else 'upper'} end {_text(end)}"
            )
            # The far side is zoomed by the same interval: nothing good was there.
            near = _interval(axis, units, top, first)
            low, high = (low, near.high) if side == "low" else (near.low, high)
            return "widened", replace(axis, low=low, high=high), reason
    after = _interval(axis, units, top, first)
    if (after.low, after.high) == (axis.low, axis.high):
        limit = "; the end is a hard limit" if side is not None else ""
        return "kept", axis, f"the best {len(top)} of {len(values)} are spread over the whole range{limit}"
    tried = sorted(float(value) for value in values[:good])
    told = f"the best {len(top)} of {len(values)} lie from {_text(tried[0])} to {_text(tried[-1])}"
    return "zoomed", after, f"{told}, and the range keeps a gap around them"


def usual(name: str, axis: Axis) -> Axis | None:
    """Return where rates usually are, next to the range of a rate that lies outside of that; None where it does not."""
    below, above = axis.high <= OUTSIDE[0], axis.low >= OUTSIDE[1]
    if name.rpartition(".")[2] not in RATES or axis.scale != "log" or not (below or above):
        return None
    low, high = (max(USUAL[0], axis.high), USUAL[1]) if below else USUAL
    low, high = max(low, axis.lowest), min(high, axis.highest)
    return replace(axis, low=low, high=high) if low < high else None


def _interval(axis: Axis, units: Sequence[float], top: Sequence[float], first: Axis) -> Axis:
    """Return the axis narrowed to the good values and one mean gap around them, no narrower than the floor."""
    gap = 1 / (len(units) + 1)
    # Where nothing was tried beyond the best, nobody knows that it is worse there: that side is not cut off.
    low = 0.0 if units[0] == min(units) else max(min(top) - gap, 0.0)
    high = 1.0 if units[0] == max(units) else min(max(top) + gap, 1.0)
    short = min(_narrowest(axis, first), 1.0) - (high - low)
    if short > 0:
        low, high = low - short / 2, high + short / 2
        shift = max(-low, 0.0) - max(high - 1.0, 0.0)
        low, high = low + shift, high + shift
    if axis.whole:
        return replace(axis, low=int(axis.value(low)), high=int(axis.value(high)))
    return replace(axis, low=_round(axis, axis.value(low)), high=_round(axis, axis.value(high)))


def _round(axis: Axis, value: Scalar) -> float:
    """Return an end with three digits, for people."""
    return min(max(float(f"{value:.3g}"), axis.low), axis.high)


def _narrowest(axis: Axis, first: Axis) -> float:
    """Return the floor as a share of the present axis."""
    if axis.whole:
        if axis.high <= axis.low:
            return 1.0
        if axis.scale == "log":
            return math.log(2) / math.log(axis.high / axis.low)
        return FEWEST_VALUES / (axis.high - axis.low + 1)
    if axis.scale == "log":
        return math.log(HALF_A_DECADE) / math.log(axis.high / axis.low)
    return NARROWEST * (first.high - first.low) / (axis.high - axis.low)


def _choose(axis: Axis, tried: Sequence[Scalar]) -> tuple[Action, Axis, str]:
    better = set(tried[: math.ceil(len(tried) / 2)])
    worse = [value for value in axis.choices if value not in better and tried.count(value) >= SURELY_WORSE]
    if not worse:
        return "kept", axis, "no value is surely worse than the others"
    left = tuple(value for value in axis.choices if value not in worse)
    names = ", ".join(map(str, worse))
    return "dropped", replace(axis, choices=left), f"all trials with {names} are in the worse half"


def _text(value: Scalar) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
