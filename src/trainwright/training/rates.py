"""The learning rate of every step, set before the step, from the closed-form schedule and the count of updates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from trainwright.parts.optimizers import set_momentum
from trainwright.parts.schedules import Schedule, fraction_of


class Rates:
    """Sets the rate, and where the schedule asks for it the momentum, of each group of `optimizer`.

    Each group keeps its own initial rate; the schedule gives a common multiple. `performed` counts updates really made:
    one that float16 skipped leaves a warmup where it was, while the decay follows the attempts, so that a run with
    skipped steps still ends where its schedule ends. `lowered` holds (first step, factor): from that step on every rate
    is multiplied by the factor, whatever the schedule gives, and by those before it. `since` is the first step of the
    present plan, which a resumed run may have made longer.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Schedule, *, planned_steps: int) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.planned_steps = planned_steps
        self.base_rates = [float(group["lr"]) for group in optimizer.param_groups]
        asked = optimizer.defaults.get("lr")
        self.base_rate = asked if asked in self.base_rates else self.base_rates[0]
        self.plateau = schedule.plateau
        self.performed = 0
        self.lowered: list[tuple[int, float]] = []
        self.since = 0

    def multiple(self, step: int) -> float:
        """Return the multiple of each group's own rate at `step` (from 0)."""
        multiple = self.planned_multiple(step, self.performed) * self.factor(step)
        return multiple * self.plateau.multiple if self.plateau is not None else multiple

    def planned_multiple(self, step: int, performed: int) -> float:
        """Return what the schedule alone gives for `step`, after so many updates really made."""
        return self.schedule.multiple(*(fraction_of(count, self.planned_steps) for count in (step, performed)))

    def factor(self, step: int) -> float:
        """Return the product of the factors in force at `step`."""
        return math.prod(factor for first, factor in self.lowered if first <= step)

    @property
    def used(self) -> float:
        """The rate that stands in the optimizer now: of the groups at its own rate, else of the first group."""
        return float(self.optimizer.param_groups[self.base_rates.index(self.base_rate)]["lr"])

    def set(self, step: int) -> None:
        """Set the rates for `step`."""
        multiple = self.multiple(step)
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * multiple
        momentum = self.schedule.momentum(fraction_of(step, self.planned_steps))
        if momentum is not None:
            set_momentum(self.optimizer, momentum)

    def kept(self) -> dict[str, Any]:
        """Return what a checkpoint needs beside the count of updates and the plateau, as plain values."""
        return {
            "base_rates": self.base_rates,
            "base_rate": self.base_rate,
            "lowered": self.lowered,
            "planned_steps": self.planned_steps,
            "since": self.since,
        }

    def put_back(self, kept: Mapping[str, Any], step: int) -> None:
        """Go on from what `kept` returned, before `step`, under the plan that was made anew."""
        self.base_rates, self.base_rate = list(kept["base_rates"]), kept["base_rate"]
        self.lowered = list(kept["lowered"])
        self.since = kept["since"] if kept["planned_steps"] == self.planned_steps else step

    def evaluated(self, score: float) -> None:
        """Tell a plateau schedule how an evaluation went (lower is better); it may lower the rate from now on."""
        if self.plateau is not None:
            self.plateau = self.plateau.update(score)
