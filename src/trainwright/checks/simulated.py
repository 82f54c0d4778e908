"""The rates that one of torch's schedulers will set: a copy of it is stepped, beside an optimizer that trains nothing.

How often a scheduler will be stepped, after each batch or each epoch, is not known; what it gives at which call is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Skip

CALLS = 20_000
"""Calls that are looked at, at most: torch's schedulers take 7 microseconds each."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The rates of each group after 0, 1, 2, ... calls of `step`, and what it raised at the call behind the last."""

    rates: tuple[tuple[float, ...], ...]
    raised: str = ""

    @property
    def multiples(self) -> list[float]:
        """The greatest rate of any group after each call, over the greatest of all calls."""
        largest = [max(rates) for rates in self.rates]
        peak = max(largest)
        return [rate / peak if peak > 0 else 0.0 for rate in largest]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A rate that is none, or what was raised instead, and after how many calls."""

    step: int
    value: float | None
    raised: str = ""


def simulated(scheduler: Any, calls: int) -> Simulation:
    """Return what `calls` calls of a scheduler's `step` will set, at most `CALLS` of them.

    Raises `Skip` for one that follows the loss, and one that cannot be copied.
    """
    name = type(scheduler).__name__
    if "Plateau" in name:
        raise Skip(f"{name} follows the measured loss, so its rates are not known before")
    optimizer = getattr(scheduler, "optimizer", None)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise Skip(f"{name} names no optimizer whose rates it sets")
    stand_in = torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))]} for _ in optimizer.param_groups], lr=1.0)
    for own, group in zip(stand_in.param_groups, optimizer.param_groups, strict=True):
        own.update({key: copy.deepcopy(value) for key, value in group.items() if key != "params"})
    try:
        twin = copy.deepcopy(scheduler, {id(optimizer): stand_in})
    except Exception as problem:  # schedulers of one's own may hold anything
        raise Skip(f"{name} cannot be copied, so its rates are not known before: {_line(problem)}") from None
    rates, raised = [_rates(stand_in)], ""
    for _ in range(min(calls, CALLS)):
        try:
            twin.step()
        except TypeError as problem:
            if len(rates) == 1 and "argument" in str(problem):
                raise Skip(f"{name}.step wants an argument, so its rates are not known before") from None
            raised = _line(problem)
            break
        except Exception as problem:  # a function of the user's, or a scheduler stepped beyond its end
            raised = _line(problem)
            break
        rates.append(_rates(stand_in))
    return Simulation(rates=tuple(rates), raised=raised)


def fault_of(simulation: Simulation) -> Fault | None:
    """Return the first call after which some rate is negative, NaN or infinite, or that raised; None for none."""
    for step, rates in enumerate(simulation.rates):
        bad = next((rate for rate in rates if not usable(rate)), None)
        if bad is not None:
            return Fault(step=step, value=bad)
    if simulation.raised:
        return Fault(step=len(simulation.rates), value=None, raised=simulation.raised)
    return None


def fault_at(schedule: Callable[[int], float], steps: Sequence[int]) -> Fault | None:
    """Return the same of a schedule that is a function of the step."""
    for step in steps:
        try:
            value = schedule(step)
        except Exception as problem:  # a function of the user's
            return Fault(step=step, value=None, raised=_line(problem))
        if not usable(value):
            return Fault(step=step, value=value)
    return None


def usable(rate: float) -> bool:
    """Say whether a rate can be trained with; zero, which a warmup begins with, can."""
    return math.isfinite(rate) and rate >= 0


def _rates(optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    return tuple(float(group["lr"]) for group in optimizer.param_groups)


def _line(problem: Exception) -> str:
    words = str(problem).strip().splitlines()
    return type(problem).__name__ + (f": {words[0]}" if words else "")
