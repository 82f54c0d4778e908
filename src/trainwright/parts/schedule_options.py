"""The options of the schedules: ranges and meanings; every number is one of `defaults`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainwright import defaults
from trainwright.defaults import Default
from trainwright.records import Option


def option(number: Default, **changes: Any) -> Option:
    """Return the option that a recommended number makes, within [0, 1] unless `changes` says otherwise."""
    source = f"{number.source}; {number.disagreement}".rstrip("; ")
    plain = Option(default=number.value, minimum=0.0, maximum=1.0, meaning=number.meaning, source=source)
    return replace(plain, **changes)


WARMUP = option(defaults.WARMUP_FRACTION, maximum=0.9)
NO_WARMUP = replace(WARMUP, default=0.0, source=f"none, unless asked for; where it is: {WARMUP.source}")
FLOOR = option(defaults.SCHEDULE_FLOOR)
FACTOR = option(defaults.STEP_DECAY_FACTOR, log=True, minimum_excluded=True)
EVERY = option(defaults.STEP_DECAY_EVERY, minimum=0.001)
DROPS = option(
    defaults.STEP_DECAY_EVERY,
    default=tuple(round(number * defaults.STEP_DECAY_EVERY.value, 9) for number in (1, 2, 3)),
    meaning="places of the drops, as fractions of the run: 0.3 for epoch 30 of 100",
    minimum_excluded=True,
)
FINAL = option(defaults.EXPONENTIAL_FINAL, log=True, minimum_excluded=True)
POWER = option(defaults.POLYNOMIAL_POWER, maximum=10.0, minimum_excluded=True)
CYCLES = option(defaults.CYCLES, minimum=1, maximum=100)

ONE_CYCLE = {
    "rise": option(defaults.ONE_CYCLE_RISE, maximum=0.95, minimum_excluded=True),
    "start_divisor": option(defaults.ONE_CYCLE_START_DIVISOR, minimum=1.0, maximum=float("inf"), log=True),
    "final_divisor": option(defaults.ONE_CYCLE_FINAL_DIVISOR, minimum=1.0, maximum=float("inf"), log=True),
    "cycle_momentum": Option(
        default=True, meaning="whether the momentum moves against the rate", source="G3; Smith 2018; torch's OneCycleLR"
    ),
    "high_momentum": option(defaults.ONE_CYCLE_HIGH_MOMENTUM, maximum=0.999),
    "low_momentum": option(defaults.ONE_CYCLE_LOW_MOMENTUM, maximum=0.999),
}
RESTARTS = {
    "cycles": CYCLES,
    "growth": option(defaults.CYCLE_GROWTH, minimum=1.0, maximum=10.0),
    "floor": FLOOR,
}
TRIANGLES = {
    "cycles": CYCLES,
    "floor": option(defaults.TRIANGLE_FLOOR),
    "swing_factor": option(defaults.TRIANGLE_SWING, minimum_excluded=True),
}
STABLE_DECAY = {
    "decay": option(defaults.STABLE_DECAY, minimum=0.001),
    "shape": Option(
        default="sqrt",
        choices=("sqrt", "linear", "cosine"),
        meaning="how it comes down: 1 - sqrt(x), a straight line, or half a cosine",
        source="Hägele et al. 2024; Hu et al. 2024 (MiniCPM) decay exponentially",
    ),
    "floor": FLOOR,
}
PLATEAU = {
    "factor": option(defaults.PLATEAU_FACTOR, log=True, minimum_excluded=True),
    "patience": option(defaults.PLATEAU_PATIENCE, minimum=1, maximum=float("inf")),
    "threshold": option(defaults.PLATEAU_THRESHOLD, log=True),
    "cooldown": option(defaults.PLATEAU_COOLDOWN, maximum=float("inf")),
    "floor": option(defaults.PLATEAU_FLOOR, log=True),
}
