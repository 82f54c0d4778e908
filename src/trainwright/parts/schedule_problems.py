"""What a schedule can be asked for that would not do what was meant: drops that never come, ends never reached."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

_SLACK = 1e-9  # 0.3 + 0.7 is no more than 1


def find_problem(name: str, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what is wrong with the resolved `options` of the schedule `name`, and the remedy; None where all is well.

    Each option is taken to be within its own range: here stands what only several of them together show.
    """
    warmup = options["warmup"]
    if name == "step":
        return _step(options["every"], options["factor"], warmup)
    if name == "multistep":
        return _multistep(options["at"], options["factor"], warmup)
    if name == "wsd" and warmup + options["decay"] > 1 + _SLACK:
        return (
            f"warmup {warmup:g} and decay {options['decay']:g} together are longer than the run",
            f"a decay of at most {1 - warmup:g} reaches its end",
        )
    if name == "one_cycle" and options["low_momentum"] > options["high_momentum"]:
        return (
            f"low_momentum {options['low_momentum']:g} is above high_momentum {options['high_momentum']:g}",
            "the momentum is low where the rate is high: exchange the two",
        )
    if name == "plateau" and options["factor"] == 1:
        return _NO_CHANGE
    if name == "plateau" and options["floor"] == 1:
        return "floor 1 never lets the rate be lowered", "give a floor below 1"
    return None


_NO_CHANGE = ("factor 1 never changes the rate", "give a factor below 1, or take the schedule 'constant'")


def _step(every: float, factor: float, warmup: float) -> tuple[str, str] | None:
    if every >= 1 - _SLACK:
        return (
            f"the first drop, at {every:g} of the run, never happens: the run ends there",
            "give a smaller share of the run; 0.3 drops at 0.3, 0.6 and 0.9",
        )
    if every <= warmup + _SLACK:
        return (
            f"the first drop, at {every:g} of the run, comes before the warmup ends, at {warmup:g}",
            "make every longer or warmup shorter",
        )
    return _NO_CHANGE if factor == 1 else None


def _multistep(at: tuple[float, ...], factor: float, warmup: float) -> tuple[str, str] | None:
    if not at:
        return "there is no drop in 'at'", "give places in the run, such as [0.3, 0.6, 0.9]"
    late = [place for place in at if place >= 1 - _SLACK]
    if late:
        return (
            f"the drop at {late[0]:g} never happens: the run ends at 1",
            "places are fractions of the run: 0.3 for epoch 30 of 100",
        )
    if any(after <= before for before, after in itertools.pairwise(at)):
        return f"the drops {_listed(at)} do not ascend", f"give them in order, each once: {_listed(sorted(set(at)))}"
    if at[0] <= warmup + _SLACK:
        return (
            f"the first drop, at {at[0]:g} of the run, comes before the warmup ends, at {warmup:g}",
            "let the drops begin later or make warmup shorter",
        )
    return _NO_CHANGE if factor == 1 else None


def _listed(places: list[float] | tuple[float, ...]) -> str:
    return f"[{', '.join(f'{place:g}' for place in places)}]"


def find_problem_in_steps(
    name: str, options: Mapping[str, Any], *, steps: int, evaluations: int
) -> tuple[str, str] | None:
    """Return what the schedule `name` cannot do within so many steps and evaluations, and the remedy, else None."""
    if name == "wsd" and options["decay"] * steps < 1:
        return _too_short("the decay", "decay", options["decay"], steps)
    if name == "step" and options["every"] * steps < 1:
        return _too_short("the time between two drops", "every", options["every"], steps)
    if name in ("cosine_restarts", "cyclic") and steps < 2 * options["cycles"]:
        return (
            f"{options['cycles']:g} cycles in {steps} steps leave less than two steps to each",
            f"ask for {max(1, steps // 10)} at most, or train longer",
        )
    if name == "plateau" and options["patience"] >= evaluations:
        return (
            f"patience {options['patience']:g} waits for more evaluations than the {evaluations} of the run, so that "
            "the rate is never lowered",
            "a smaller patience, more epochs, or train.evaluate_every_steps",
        )
    return None


def _too_short(what: str, option: str, share: float, steps: int) -> tuple[str, str]:
    return (
        f"{what}, {share:g} of a run of {steps} steps, is shorter than one step",
        f"give {option} as a share of the run, such as {max(0.1, 2 / steps):g}",
    )
