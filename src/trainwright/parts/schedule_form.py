"""What a schedule is: a pure function of the fraction of the run, from which every step's rate follows in closed form.

There is no state to step, so a schedule stepped once an epoch instead of once a step, or resumed at the wrong place,
cannot be written.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from trainwright.parts.schedule_plateau import Plateau

Shape = Callable[[float], float]
"""A function of the fraction of what follows the warmup, in [0, 1]."""
_ROUNDING = 1e-9  # of the base rate: smaller differences come from the order of the arithmetic


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The multiple of the base rate, in [0, 1], over the fraction of the run, in [0, 1]; beyond the run it stays.

    `body` is the shape of what follows the warmup. `momentum_body` gives the momentum there, None where the schedule
    leaves it alone. `plateau` is the start of what watches the evaluations, None for all schedules that do not; its
    multiple comes on top of `multiple`. `marks` are the telling places as (fraction of the run, what happens there), in
    order. `cycle_ends` are the fractions at which a cycle has come down and a snapshot is worth keeping.
    """

    body: Shape
    warmup: float = 0.0
    momentum_body: Shape | None = None
    plateau: Plateau | None = None
    marks: tuple[tuple[float, str], ...] = ()
    cycle_ends: tuple[float, ...] = ()

    def multiple(self, attempted: float, performed: float | None = None) -> float:
        """Return body((attempted - warmup) / (1 - warmup)) * min(1, performed / warmup).

        `attempted` is the fraction of the run by the updates that were attempted, `performed` by those that were really
        made (the same where it is None). Updates that float16 skips thus hold up the warmup, which exists for the
        weights, and not the decay, which must reach its end with the run.
        """
        performed = attempted if performed is None else performed
        reached = min(max(performed, 0.0) / self.warmup, 1.0) if self.warmup else 1.0
        return min(self.body(self._after_warmup(attempted)), 1.0) * reached

    def __call__(self, fraction: float) -> float:
        """Return `multiple(fraction)`: no update was skipped."""
        return self.multiple(fraction)

    def momentum(self, attempted: float) -> float | None:
        """Return the momentum at the fraction of the run, None where the schedule leaves it alone."""
        return None if self.momentum_body is None else self.momentum_body(self._after_warmup(attempted))

    def _after_warmup(self, attempted: float) -> float:
        return min(max((attempted - self.warmup) / (1 - self.warmup), 0.0), 1.0)


def fraction_of(step: int, planned_steps: int) -> float:
    """Return the place in the run at which the rate of `step` (from 0) is read: the middle of the step.

    Read at its start, a warmup's first step would have rate 0 and do nothing; read at its end, a decay's last one.
    """
    return (step + 0.5) / planned_steps


def rates(schedule: Schedule, steps: int, base_rate: float) -> list[float]:
    """Return the rate of every step of a run in which no update is skipped and no plateau is met."""
    return [base_rate * schedule.multiple(fraction_of(step, steps)) for step in range(steps)]


def momenta(schedule: Schedule, steps: int) -> list[float] | None:
    """Return the momentum of every step, None where the schedule leaves it alone."""
    values = [schedule.momentum(fraction_of(step, steps)) for step in range(steps)]
    return None if schedule.momentum_body is None else [value for value in values if value is not None]


def mark_steps(schedule: Schedule, steps: int) -> list[tuple[int, str]]:
    """Return the schedule's marks as (first step whose rate is read there or behind it, what happens)."""
    places = [(max(0, math.ceil(place * steps - 0.5 - 1e-9 * steps)), text) for place, text in schedule.marks]
    return [(step, text) for step, text in places if step < steps]


def deviation(
    schedule: Schedule,
    used: Sequence[tuple[int, float]],
    planned: int,
    base_rate: float,
    *,
    skipped: Collection[int] = (),
) -> float:
    """Return the largest relative difference between a rate that was used and the closed form; 0 where none was used.

    `used` holds (step, rate) of attempted updates, all of them or some; `skipped` the steps of those that float16
    skipped. The difference is relative to the rate that was due, and infinite where a rate is no number. Rates that a
    plateau lowered deviate by as much as it lowered them.
    """
    left_out = sorted(skipped)
    worst = 0.0
    for step, rate in used:
        if not math.isfinite(rate):
            return math.inf
        performed = step - bisect_left(left_out, step)
        due = base_rate * schedule.multiple(fraction_of(step, planned), fraction_of(performed, planned))
        worst = max(worst, abs(rate - due) / max(abs(due), _ROUNDING * abs(base_rate)))
    return worst
