"""Schedulers that are not stepped, or too early, and rates that start too high for attention."""

from __future__ import annotations

import math
import statistics

from trainwright.doctor.kinds_schedule import WARMUP_MISSING
from trainwright.doctor.kinds_stepping import SCHEDULER_BEFORE_OPTIMIZER, SCHEDULER_NEVER_STEPPED
from trainwright.doctor.loop_frequency import counts
from trainwright.doctor.loop_seen import at, loop_of, often, place
from trainwright.doctor.rule import Rule
from trainwright.doctor.series import finite, level
from trainwright.records import Chart, Evidence, Finding, Remedy

FEWEST_STEPS = 100
"""Steps of a run without epochs before a scheduler that was never stepped is no trial run."""
FIRST_STEPS, LATER_STEPS = 20, 100
"""The steps that a warmup is for, and those from which they are judged."""
RISING = 0.5
"""A first rate below this share of the highest is a warmup."""
SPIKE, STEEP = 1.5, 10.0
"""Rise of the loss over its start, and gradient norms of the first steps over later ones."""


def scheduler_never_stepped(chart: Chart) -> Finding | None:
    """Exact: built, and no call in two epochs, or in a whole run that has none."""
    loop = loop_of(chart)
    if any(scheduler.calls for scheduler in loop.schedulers):
        return None  # one may be stepped from inside another
    for scheduler in loop.schedulers:
        ended = loop.finished and scheduler.steps_per_epoch is None and scheduler.optimizer_steps >= FEWEST_STEPS
        if scheduler.optimizer_steps < 1 or not (scheduler.epochs >= 2 or ended):
            continue
        return SCHEDULER_NEVER_STEPPED.finding(
            where=place(scheduler.where, chart.info.where("schedule.name")),
            step=scheduler.optimizer_steps,
            evidence=counts(scheduler),
            remedies=(
                Remedy(
                    text=f"call step() of {scheduler.name or 'the scheduler'}{at(scheduler.where)} after each epoch, "
                    "or after each optimizer.step() where its length is given in steps"
                ),
            ),
        )
    return None


def scheduler_before_optimizer(chart: Chart) -> Finding | None:
    """Exact order. A scaler that skips first steps makes it look so; many calls move a resumed run on."""
    loop, sighting = loop_of(chart), often(chart, "scheduler-before-optimizer", fewest=1, share=0.0)
    if sighting is None or loop.seen("scaler-skipped") is not None or loop.steps < 1:
        return None
    if any(scheduler.calls_before_first_step > 1 for scheduler in loop.schedulers):
        return None
    where = place(sighting.where, *(scheduler.where for scheduler in loop.schedulers))
    return SCHEDULER_BEFORE_OPTIMIZER.finding(
        where=where,
        step=sighting.step,
        evidence=(Evidence(name="calls of the scheduler before the optimizer's first step", value=1, threshold=0),),
        remedies=(Remedy(text=f"move scheduler.step(){at(where)} behind optimizer.step(){at(loop.step_where)}"),),
    )


def warmup_missing(chart: Chart) -> Finding | None:
    """Attention, Adam and a full first rate, and it showed: a spike of the loss, and gradients far above later ones."""
    loop, steps = loop_of(chart), chart.steps
    adam = any(optimizer.adaptive and optimizer.name != "RAdam" for optimizer in loop.optimizers)
    if not loop.attention or not adam or loop.turns or len(steps) < LATER_STEPS + FIRST_STEPS:
        return None
    peak = max(record.rate for record in steps)
    if steps[0].rate < RISING * peak:
        return None
    norms = [record.gradient_norm or 0.0 for record in steps]
    first, later = max(finite(norms[:FIRST_STEPS]), default=0.0), finite(norms[LATER_STEPS:])
    usual = statistics.median(later) if later else 0.0
    losses = finite([record.loss for record in steps[: 2 * FIRST_STEPS]])
    start, highest = (losses[0], max(losses)) if losses else (math.nan, math.nan)
    settled = level(steps[LATER_STEPS:])
    spiked = highest >= SPIKE * start > 0 and settled < highest
    if not spiked or usual <= 0 or first < STEEP * usual:
        return None
    return WARMUP_MISSING.finding(
        where=place(chart.info.where("schedule.name", "optimizer.lr", "optimizer.name")),
        step=LATER_STEPS,
        evidence=(
            Evidence(name="largest gradient norm of the first steps", value=first, threshold=STEEP * usual),
            Evidence(name="median gradient norm later", value=usual),
            Evidence(name="training loss at its highest, early", value=highest, threshold=SPIKE * start),
            Evidence(name="training loss at the start", value=start),
        ),
        remedies=(Remedy(text="let the rate rise linearly from zero over the first 5 % of the run"),),
        confidence=0.7,
    )


RULES = (
    Rule(kind=SCHEDULER_NEVER_STEPPED, needs=("loop",), judge=scheduler_never_stepped),
    Rule(kind=SCHEDULER_BEFORE_OPTIMIZER, needs=("loop",), judge=scheduler_before_optimizer),
    Rule(kind=WARMUP_MISSING, needs=("loop", "steps"), judge=warmup_missing),
)
