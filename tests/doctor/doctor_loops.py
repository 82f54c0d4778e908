"""Foreign loops as they were watched, made by hand: one healthy loop, from which every test departs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from doctor_charts import CONSTANT, healthy, info, steps

from trainwright.doctor import (
    evaluation,
    gradients,
    loop_data,
    loop_decay,
    loop_frequency,
    loop_gradients,
    loop_model,
    loop_modes,
    loop_optimizer,
    loop_precision,
    loop_schedule,
)
from trainwright.doctor.rule import Rule
from trainwright.records import (
    Chart,
    Finding,
    GroupFacts,
    Location,
    LoopFacts,
    OptimizerFacts,
    SchedulerFacts,
    Sighting,
    SightingName,
    StepRecord,
)

FAMILIES = (
    loop_gradients,
    loop_optimizer,
    loop_model,
    loop_modes,
    loop_precision,
    loop_frequency,
    loop_schedule,
    loop_decay,
    loop_data,
    gradients,
    evaluation,
)
LOOP_RULES: tuple[Rule, ...] = tuple(rule for family in FAMILIES for rule in family.RULES)
HERE = Location(file="/home/me/train.py", line=41)
MADE = Location(file="/home/me/train.py", line=12)


def sighting(
    count: int = 5, chances: int | None = 5, *, step: int = 1, where: Location = HERE, **facts: Any
) -> Sighting:
    """Return something that was seen at every step from the second on, in line 41."""
    return Sighting(count=count, chances=chances, step=step, where=where, facts=facts)


def group(**changes: Any) -> GroupFacts:
    """Return the one group of an optimizer that holds six tensors."""
    return replace(GroupFacts(parameters=6, elements=5000, rate=0.001, epsilon=1e-8), **changes)


def optimizer(name: str = "Adam", groups: Sequence[GroupFacts] | None = None, **changes: Any) -> OptimizerFacts:
    """Return an optimizer of line 12 that made 400 steps."""
    adaptive = name.startswith(("Adam", "RAdam"))
    made = OptimizerFacts(name=name, where=MADE, steps=400, adaptive=adaptive, groups=tuple(groups or (group(),)))
    return replace(made, **changes)


def scheduler(name: str = "CosineAnnealingLR", **changes: Any) -> SchedulerFacts:
    """Return a cosine over the 20 epochs of the run, stepped once after each."""
    well = SchedulerFacts(
        name=name,
        where=MADE,
        horizon=20,
        horizon_name="T_max",
        calls=20,
        calls_in_first_epoch=1,
        call_places=(HERE,),
        optimizer_steps=400,
        epochs=20,
        steps_per_epoch=20,
        first_rate=0.1,
        last_rate=0.0,
        low=0.0,
        high=0.1,
    )
    return replace(well, **changes)


def loop(seen: Mapping[SightingName, Sighting] | None = None, **changes: Any) -> LoopFacts:
    """Return a finished loop of 400 steps over 20 epochs in which `seen` was sighted."""
    well = LoopFacts(
        steps=400,
        backwards=400,
        epochs=20,
        finished=True,
        loss_where=Location(file="/home/me/train.py", line=40),
        backward_where=HERE,
        step_where=Location(file="/home/me/train.py", line=43),
        optimizers=(optimizer(),),
        sightings=seen or {},
    )
    return replace(well, **changes)


def watched(seen: Mapping[SightingName, Sighting] | None = None, **changes: Any) -> Chart:
    """Return the chart of a healthy run, watched in a foreign loop; `changes` are those of the loop."""
    return looped(loop(seen, **changes))


def looped(facts: LoopFacts, **changes: Any) -> Chart:
    """Return a chart with these facts of its loop; `changes` are those of the run's head, or the chart's columns."""
    columns = {name: changes.pop(name) for name in ("steps", "evals", "layers") if name in changes}
    return healthy(info=info(loop=facts, **changes), **columns)


def ask(kind: str, chart: Chart) -> Finding | None:
    """Return what the one rule for `kind` says of a chart; it must not lack anything."""
    [rule] = [rule for rule in LOOP_RULES if rule.kind.kind == kind]
    assert rule.missing(chart) is None, rule.missing(chart)
    return rule.judge(chart)


def found(kind: str, chart: Chart) -> Finding:
    """Return what the rule for `kind` finds."""
    finding = ask(kind, chart)
    assert finding is not None, f"{kind} was not found"
    return finding


def flat(share: float) -> float:
    """Return the loss of a run that learns nothing."""
    return CONSTANT


def with_norms(
    norms: Sequence[float], losses: Sequence[float], *, rate: Callable[[float], float] | None = None
) -> list[StepRecord]:
    """Return steps with these gradient norms and losses."""
    rows = steps(losses, rate=rate)
    return [replace(record, gradient_norm=norm) for record, norm in zip(rows, norms, strict=True)]
