"""Schedules: pure functions of the fraction of the run, from which the rate of every step follows in closed form.

A schedule maps a fraction in [0, 1] to the multiple of the learning rate in [0, 1]. There is no state to step, so a
schedule stepped once an epoch instead of once a step, or resumed at the wrong place, cannot be written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from trainwright import defaults
from trainwright.records import Option, ScheduleSpec

Schedule = Callable[[float], float]


def constant() -> Schedule:
    """The full rate throughout."""
    return lambda fraction: 1.0


def step(every: float, factor: float) -> Schedule:
    """Multiply by `factor` each time the share `every` of the run has passed: factor ** floor(fraction / every)."""
    # 0.9 / 0.3 may come out as 2.999...: the tiny push keeps a drop at its boundary, not one step behind it.
    return lambda fraction: factor ** math.floor(fraction / every + 1e-9)


def cosine(floor: float) -> Schedule:
    """Half a cosine from 1 to `floor`: floor + (1 - floor) * (1 + cos(pi * fraction)) / 2."""
    return lambda fraction: floor + 0.5 * (1 - floor) * (1 + math.cos(math.pi * fraction))


def warmup_cosine(warmup: float, floor: float) -> Schedule:
    """Linear from 0 to 1 over the share `warmup`, then `cosine` over the rest."""
    decay = cosine(floor)

    def multiple(fraction: float) -> float:
        if fraction < warmup:
            return fraction / warmup
        return decay((fraction - warmup) / (1 - warmup))

    return multiple


def fraction_of(step: int, planned_steps: int) -> float:
    """Return the place in the run at which the rate of `step` (from 0) is read: the middle of the step.

    Read at its start, a warmup's first step would have rate 0 and do nothing; read at its end, a decay's last one.
    """
    return (step + 0.5) / planned_steps


_FLOOR = Option(default=0.0, minimum=0.0, maximum=1.0, meaning="share of the rate that is left at the end")

CATALOGUE: Mapping[str, ScheduleSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ScheduleSpec(
                name="constant",
                summary="the same rate throughout",
                formula="eta(t) = eta0",
                factory=constant,
                options={},
                reference="G2, chapter 6",
            ),
            ScheduleSpec(
                name="step",
                summary="drops by a factor at regular places",
                formula="eta(t) = eta0 * gamma^floor(t / S)",
                factory=step,
                options={
                    "every": Option(
                        default=defaults.STEP_DECAY_EVERY.value,
                        minimum=0.0,
                        maximum=1.0,
                        meaning=defaults.STEP_DECAY_EVERY.meaning,
                        source=defaults.STEP_DECAY_EVERY.source,
                        minimum_excluded=True,
                    ),
                    "factor": Option(
                        default=defaults.STEP_DECAY_FACTOR.value,
                        minimum=0.0,
                        maximum=1.0,
                        meaning=defaults.STEP_DECAY_FACTOR.meaning,
                        source=defaults.STEP_DECAY_FACTOR.source,
                        log=True,
                        minimum_excluded=True,
                    ),
                },
                reference="G2, chapter 6",
            ),
            ScheduleSpec(
                name="cosine",
                summary="half a cosine from the full rate down to the floor",
                formula="eta(t) = eta_min + (eta_max - eta_min) * (1 + cos(pi t / T)) / 2",
                factory=cosine,
                options={"floor": _FLOOR},
                reference="G2, chapter 6; Loshchilov and Hutter 2017",
            ),
            ScheduleSpec(
                name="warmup_cosine",
                summary="rises linearly, then falls along half a cosine: the modern default",
                formula="eta(t) = eta0 * t / W for t < W, then cosine over the rest",
                factory=warmup_cosine,
                options={
                    "warmup": Option(
                        default=defaults.WARMUP_FRACTION.value,
                        minimum=0.0,
                        maximum=0.9,
                        meaning=defaults.WARMUP_FRACTION.meaning,
                        source=defaults.WARMUP_FRACTION.source,
                    ),
                    "floor": _FLOOR,
                },
                reference="G2, chapter 6",
            ),
        )
    }
)
