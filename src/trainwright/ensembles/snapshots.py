"""Several members from one training: the rate falls again and again, and the model is kept at the foot of each fall."""

from __future__ import annotations

from torch import nn

from trainwright.ensembles.collecting import collected
from trainwright.parts import schedules
from trainwright.parts.schedules import Schedule
from trainwright.training.loop import Training

KEPT = 0.6
"""Share of the cycles, the last ones, whose models are kept: the first ones have not learnt much yet."""


def cyclic(own: Schedule, cycles: int) -> Schedule:
    """Return half a cosine from the full rate down to nothing, `cycles` times over the run, behind the warmup of `own`.

    Source: Huang et al. 2017, Snapshot Ensembles.
    """
    return schedules.CATALOGUE["cosine_restarts"].factory(cycles=cycles, warmup=own.warmup)


def snapshots(training: Training, schedule: Schedule, kept: int) -> list[nn.Module]:
    """Train to the end under `schedule`, which the training was built with; return the models of the last cycles."""
    steps = training.planned_steps
    ends = sorted({max(1, round(end * steps)) for end in schedule.cycle_ends})
    return collected(training, ends[-kept:])


def kept_of(cycles: int) -> int:
    """Return how many of so many cycles are kept where nobody says: the last ones, two at least."""
    return max(min(2, cycles), round(KEPT * cycles))
