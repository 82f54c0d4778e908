"""Schedulers against the loop that steps them: counts of calls, steps and epochs, and the rates that came of them."""

from __future__ import annotations

from trainwright.doctor.kinds_schedule import SCHEDULER_WRONG_FREQUENCY
from trainwright.doctor.loop_restarts import schedule_begins_again
from trainwright.doctor.loop_seen import at, loop_of, place
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Location, LoopFacts, Remedy, SchedulerFacts

EVERY_STEP = 0.9
"""Calls over optimizer steps from which a scheduler is stepped at every step; a scaler skips a few."""
WELL_OVER = 2
"""A schedule that was at its end in half of the first epoch, or of the run, was made for another unit."""
FALLEN = 0.5
"""A rate that starts at its highest and falls below this share of it decays; what rises and stays is a warmup."""
SPENT = 1e-3
"""A rate below this share of its highest does next to nothing."""
SAME_LENGTH = 0.05
"""Relative difference up to which the length of a schedule is the number of steps of the whole run."""
AT_ONCE = 10
"""And one of steps or lines, which may be short on purpose, in a tenth of the first epoch: it does not bounce."""


MOST_SPENT, FEWEST_RECORDS = 0.5, 50
"""Share of the run's steps, and how many of them there must be, that a schedule without an end may waste."""


def scheduler_wrong_frequency(chart: Chart) -> Finding | None:
    """Exact counts: made for epochs and stepped every batch, the other way round, in two places, or begun again."""
    loop = loop_of(chart)
    for scheduler in loop.schedulers:
        if scheduler.cyclic or scheduler.calls < 1:
            continue
        finding = _two_places(scheduler) or _too_often(scheduler, loop) or _too_rarely(scheduler, loop)
        finding = finding or _gone(scheduler, chart)
        if finding is not None:
            return finding
    return schedule_begins_again(chart)


def _two_places(scheduler: SchedulerFacts) -> Finding | None:
    """More calls than steps, from two lines: after each batch, and after each epoch on top."""
    extra = scheduler.calls - scheduler.optimizer_steps
    if len(set(scheduler.call_places)) < 2 or extra < max(2, scheduler.epochs - 1):
        return None
    places = " and ".join(f"line {where.line}" for where in scheduler.call_places if where.line is not None)
    return SCHEDULER_WRONG_FREQUENCY.finding(
        title="the scheduler is stepped in two places",
        because="stepped after each batch and after each epoch, its count is neither that of batches nor of epochs",
        where=_call(scheduler),
        step=scheduler.optimizer_steps,
        evidence=(
            *counts(scheduler),
            Evidence(name="lines that step it", value=places or len(scheduler.call_places), threshold=1),
        ),
        remedies=(Remedy(text=f"step the scheduler in one place alone: drop one of {places or 'the calls'}"),),
    )


def _too_often(scheduler: SchedulerFacts, loop: LoopFacts) -> Finding | None:
    """Stepped every batch, and over long before the run, or before its first epoch, is."""
    horizon = scheduler.horizon
    every_step = scheduler.calls >= EVERY_STEP * scheduler.optimizer_steps and scheduler.calls > scheduler.epochs + 1
    if horizon is None or horizon < 1 or not every_step or not _decays(scheduler):
        return None
    first = scheduler.calls_in_first_epoch
    in_first_epoch = first is not None and first >= (WELL_OVER if _bounces(scheduler) else AT_ONCE) * horizon
    # Where the run is over, its epochs are known: a length that is theirs was meant to be counted in them.
    of_epochs = loop.finished and scheduler.epochs >= 1 and horizon <= scheduler.epochs + 1
    certain = (in_first_epoch or of_epochs) and scheduler.calls >= WELL_OVER * horizon
    over = scheduler.calls >= WELL_OVER * horizon
    if not certain and not (over and (_bounces(scheduler) or _is_spent(scheduler))):
        return None
    bounces = _bounces(scheduler)
    per_epoch = f", {scheduler.steps_per_epoch} in an epoch" if scheduler.steps_per_epoch else ""
    new = "epochs * len(loader)"
    name = scheduler.horizon_name or "its length"
    return SCHEDULER_WRONG_FREQUENCY.finding(
        severity="error" if certain else "warning",
        title="the schedule is stepped every batch, and made for epochs"
        if certain
        else "the schedule was over long before the run",
        because="past its end a cosine comes back up, and the rate bounces with it"
        if bounces
        else "what is left of the run trains at the rate of the schedule's end",
        where=_call(scheduler),
        step=horizon,
        evidence=(
            *counts(scheduler),
            Evidence(name=f"{name}, in calls", value=horizon),
            Evidence(name=f"calls until now{per_epoch}", value=scheduler.calls, threshold=WELL_OVER * horizon),
            *_rates(scheduler),
        ),
        remedies=(
            Remedy(text=f"step it once an epoch{at(_call(scheduler))}, or set {name} to {new}{at(scheduler.where)}"),
        ),
        confidence=1.0 if certain else 0.8,
    )


def _gone(scheduler: SchedulerFacts, chart: Chart) -> Finding | None:
    """A decay without an end is taken after each batch, and for most of the run nothing is left of the rate."""
    loop = loop_of(chart)
    every_step = scheduler.calls >= EVERY_STEP * scheduler.optimizer_steps and scheduler.calls > scheduler.epochs + 1
    if scheduler.horizon is not None or not loop.finished or not every_step or not _decays(scheduler):
        return None
    high = scheduler.high or 0.0
    spent = sum(record.rate <= SPENT * high for record in chart.steps)
    if len(chart.steps) < FEWEST_RECORDS or spent <= MOST_SPENT * len(chart.steps) or not _is_spent(scheduler):
        return None
    return SCHEDULER_WRONG_FREQUENCY.finding(
        severity="warning",
        title=f"{scheduler.name} has used up the rate long before the end",
        because="a factor that is meant for each epoch, taken after each batch, leaves nothing of the rate in a few",
        where=_call(scheduler),
        step=next(record.step for record in chart.steps if record.rate <= SPENT * high),
        evidence=(
            *counts(scheduler),
            *_rates(scheduler),
            Evidence(
                name=f"share of the steps below {SPENT:g} of the highest rate",
                value=spent / len(chart.steps),
                threshold=MOST_SPENT,
            ),
        ),
        remedies=(
            Remedy(text=f"step the scheduler once for each epoch, behind the loop of batches{_called(scheduler)}"),
        ),
        confidence=0.8,
    )


def _too_rarely(scheduler: SchedulerFacts, loop: LoopFacts) -> Finding | None:
    """Stepped once an epoch, and as long as the run has steps: it never got beyond its beginning."""
    horizon, size = scheduler.horizon, scheduler.steps_per_epoch
    if horizon is None or size is None or size < WELL_OVER or not loop.finished:
        return None
    once_an_epoch = 1 <= scheduler.calls <= scheduler.epochs + 1
    whole_run = abs(horizon - scheduler.optimizer_steps) <= SAME_LENGTH * scheduler.optimizer_steps
    if not once_an_epoch or not whole_run or horizon % size or horizon < WELL_OVER * scheduler.calls:
        return None
    name = scheduler.horizon_name or "its length"
    return SCHEDULER_WRONG_FREQUENCY.finding(
        title="the schedule is stepped every epoch, and made for batches",
        because="a schedule counts its own calls: made for batches and stepped every epoch, it never leaves its start",
        where=_call(scheduler),
        step=scheduler.optimizer_steps,
        evidence=(*counts(scheduler), Evidence(name=f"{name}, in calls", value=horizon), *_rates(scheduler)),
        remedies=(Remedy(text=f"call its step() after each optimizer.step(), not each epoch{_called(scheduler)}"),),
    )


def _decays(scheduler: SchedulerFacts) -> bool:
    """Say whether the rate began at its highest and fell: a warmup that is over keeps its rate, as it should."""
    first, low, high = scheduler.first_rate, scheduler.low, scheduler.high
    if first is None or low is None or high is None or not high > 0:
        return False
    return first >= EVERY_STEP * high and low <= FALLEN * high


def _bounces(scheduler: SchedulerFacts) -> bool:
    return scheduler.name == "CosineAnnealingLR"


def _is_spent(scheduler: SchedulerFacts) -> bool:
    return scheduler.last_rate is not None and scheduler.last_rate <= SPENT * (scheduler.high or 0.0)


def _call(scheduler: SchedulerFacts) -> Location:
    return place(*scheduler.call_places, scheduler.where)


def _called(scheduler: SchedulerFacts) -> str:
    return at(scheduler.call_places[0]) if scheduler.call_places else ""


def counts(scheduler: SchedulerFacts) -> tuple[Evidence, ...]:
    """Return how often a scheduler was called, beside the steps and epochs since it was built."""
    number = f"{scheduler.calls} calls, {scheduler.optimizer_steps} steps, {scheduler.epochs} epochs"
    return (Evidence(name=f"{scheduler.name or 'the scheduler'} so far", value=number),)


def _rates(scheduler: SchedulerFacts) -> tuple[Evidence, ...]:
    if scheduler.low is None or scheduler.high is None:
        return ()
    return (Evidence(name="rates so far", value=f"{scheduler.low:.3g} to {scheduler.high:.3g}"),)


RULES = (Rule(kind=SCHEDULER_WRONG_FREQUENCY, needs=("loop",), judge=scheduler_wrong_frequency),)
