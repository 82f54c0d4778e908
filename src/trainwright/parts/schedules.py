"""Schedules: multiples of the learning rate over the fraction of the run. Every entry takes the same warmup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from trainwright.errors import UsageError
from trainwright.parts import schedule_builders as builders
from trainwright.parts import schedule_options as options_of
from trainwright.parts.catalogue import find
from trainwright.parts.schedule_form import Schedule, deviation, fraction_of, mark_steps, momenta, rates
from trainwright.parts.schedule_plateau import Plateau
from trainwright.parts.schedule_problems import find_problem, find_problem_in_steps
from trainwright.records import Option, ScheduleSpec

__all__ = [
    "CATALOGUE",
    "Plateau",
    "Schedule",
    "deviation",
    "fraction_of",
    "mark_steps",
    "momenta",
    "problem",
    "rates",
]


def problem(name: str, options: Mapping[str, Any]) -> str | None:
    """Return why the schedule `name` cannot do what its `options` ask for, with the remedy; None where it can.

    What is not given takes its default. Each option is taken to be within its own range; the factory of the entry
    refuses the same by a `UsageError`. Raises `UsageError` on an unknown name.
    """
    found = find_problem(name, _complete(find(CATALOGUE, name, "schedule").options, options))
    return None if found is None else "; ".join(found)


def problem_in_steps(name: str, options: Mapping[str, Any], *, steps: int, evaluations: int) -> tuple[str, str] | None:
    """Return what the schedule cannot do in so many steps and evaluations, and the remedy; None where it can do all."""
    spec = find(CATALOGUE, name, "schedule")
    known = {option: value for option, value in options.items() if option in spec.options}
    return find_problem_in_steps(name, _complete(spec.options, known), steps=steps, evaluations=evaluations)


def _complete(options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: option.default for name, option in options.items()} | dict(given)


def _entry(
    name: str,
    builder: Callable[..., Schedule],
    options: Mapping[str, Option],
    *,
    summary: str,
    formula: str,
    reference: str,
    warmup: Option = options_of.NO_WARMUP,
) -> ScheduleSpec:
    """Return the entry's record, with the warmup that all entries have and with the refusals of `problem`."""
    taken = MappingProxyType({**options, "warmup": warmup})

    def factory(**given: Any) -> Schedule:
        values = _complete(taken, given)
        found = find_problem(name, values)
        if found is not None:
            raise UsageError(f"schedule {name}: {found[0]}", remedy=found[1])
        schedule = builder(**values)
        begins = ((values["warmup"], "warmup ends"),) if values["warmup"] else ()
        return replace(schedule, marks=tuple(sorted((*begins, *schedule.marks))))

    return ScheduleSpec(
        name=name, summary=summary, formula=formula, factory=factory, options=taken, reference=reference
    )


_ENTRIES = (
    _entry(
        "constant",
        builders.constant,
        {},
        summary="the same rate throughout",
        formula="eta(t) = eta0",
        reference="G2, chapter 6",
    ),
    _entry(
        "step",
        builders.step,
        {"every": options_of.EVERY, "factor": options_of.FACTOR},
        summary="drops by a factor at regular places",
        formula="eta(t) = eta0 * gamma^floor(t / S)",
        reference="G2, chapter 6",
    ),
    _entry(
        "multistep",
        builders.multistep,
        {"at": options_of.DROPS, "factor": options_of.FACTOR},
        summary="drops by a factor at the places given",
        formula="eta(t) = eta0 * gamma^(number of places passed)",
        reference="G3; G2, chapter 6",
    ),
    _entry(
        "exponential",
        builders.exponential,
        {"final": options_of.FINAL},
        summary="falls by the same factor at every step",
        formula="eta(t) = eta0 * final^(t / T)",
        reference="torch's ExponentialLR, in fractions of the run",
    ),
    _entry(
        "linear",
        builders.linear,
        {"floor": options_of.FLOOR},
        summary="a straight line from the full rate down to the floor",
        formula="eta(t) = eta_min + (eta_max - eta_min) * (1 - t / T)",
        reference="G1",
    ),
    _entry(
        "polynomial",
        builders.polynomial,
        {"power": options_of.POWER, "floor": options_of.FLOOR},
        summary="falls along a power of what is left of the run",
        formula="eta(t) = eta_min + (eta_max - eta_min) * (1 - t / T)^power",
        reference="You, Gitman and Ginsburg 2017",
    ),
    _entry(
        "cosine",
        builders.cosine,
        {"floor": options_of.FLOOR},
        summary="half a cosine from the full rate down to the floor",
        formula="eta(t) = eta_min + (eta_max - eta_min) * (1 + cos(pi t / T)) / 2",
        reference="G2, chapter 6; Loshchilov and Hutter 2017",
    ),
    _entry(
        "warmup_cosine",
        builders.cosine,
        {"floor": options_of.FLOOR},
        warmup=options_of.WARMUP,
        summary="rises linearly, then falls along half a cosine: the modern default",
        formula="eta(t) = eta0 * t / W for t < W, then cosine over the rest",
        reference="G2, chapter 6",
    ),
    _entry(
        "one_cycle",
        builders.one_cycle,
        options_of.ONE_CYCLE,
        summary="rises to a peak and falls far below its start, with momentum the other way: few epochs",
        formula="eta from eta0 / start_divisor to eta0 at rise, then to eta0 / (start_divisor * final_divisor)",
        reference="G3; Smith and Topin 2018",
    ),
    _entry(
        "cosine_restarts",
        builders.cosine_restarts,
        options_of.RESTARTS,
        summary="falls along half a cosine, again and again: a snapshot at the end of each cycle makes an ensemble",
        formula="cosine within each cycle; cycle i is growth^i times as long as the first",
        reference="Loshchilov and Hutter 2017; Huang et al. 2017; G2, chapter 9",
    ),
    _entry(
        "cyclic",
        builders.cyclic,
        options_of.TRIANGLES,
        summary="rises and falls in straight lines, never to nothing: explores where restarts would settle",
        formula="eta(t) = eta_min + (eta_max - eta_min) * swing_factor^cycle * (1 - |2x - 1|), x within the cycle",
        reference="Smith 2017",
    ),
    _entry(
        "wsd",
        builders.wsd,
        options_of.STABLE_DECAY,
        warmup=options_of.WARMUP,
        summary="warmup, the full rate, and a short decay at the end: a longer run can go on from the stable part",
        formula="eta(t) = eta0 until the last share `decay`, then eta_min + (eta0 - eta_min) * (1 - sqrt(x))",
        reference="Hu et al. 2024; Hägele et al. 2024",
    ),
    _entry(
        "plateau",
        builders.plateau,
        options_of.PLATEAU,
        summary="drops by a factor when the evaluations stop improving",
        formula="eta = eta0 * factor^(number of times that `patience` evaluations brought nothing better)",
        reference="G2, chapter 4; G4",
    ),
)

CATALOGUE: Mapping[str, ScheduleSpec] = MappingProxyType({spec.name: spec for spec in _ENTRIES})
