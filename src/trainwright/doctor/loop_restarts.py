"""Schedules that begin again: rates that rise, fall back and rise alike, schedulers that are built in every epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from trainwright.doctor.kinds_schedule import SCHEDULER_WRONG_FREQUENCY
from trainwright.doctor.loop_seen import at, counted, loop_of, number, often, place, word
from trainwright.records import Chart, Evidence, Finding, Remedy, StepRecord

RISES = 3
"""Rises in a row, each the same as the one before, rate by rate."""
FOOT = 0.2
"""A rise begins below this share of its end: a warmup does, a schedule that goes up and down by a little does not."""
SHORTEST = 5
"""Steps of a rise; fewer are no schedule."""


def schedule_begins_again(chart: Chart) -> Finding | None:
    """Exact: the same rise, bit for bit, three times over; a scheduler that is built anew in every epoch, or blind."""
    return _plateau_of_constant(chart) or _rebuilt(chart) or _same_rise(chart)


def _plateau_of_constant(chart: Chart) -> Finding | None:
    """Exact: one and the same number, bit by bit, at every call, which is the best that could be in no case."""
    sighting = loop_of(chart).seen("plateau-of-constant")
    if sighting is None:
        return None
    name, given = word(sighting, "scheduler", "the scheduler"), number(sighting, "number")
    return SCHEDULER_WRONG_FREQUENCY.finding(
        title=f"{name} is given the same number every time",
        because="it lowers the rate when what it watches gets no better, and this cannot: the rate falls by counting, "
        "whatever the training does",
        where=place(sighting.where, chart.info.where("schedule.name")),
        step=sighting.step,
        evidence=(
            Evidence(name="calls with one and the same number", value=sighting.count),
            Evidence(name="the number", value=math.nan if given is None else given),
        ),
        remedies=(Remedy(text=f"give it the validation loss of the epoch that is over{at(sighting.where)}"),),
    )


def _rebuilt(chart: Chart) -> Finding | None:
    sighting = often(chart, "scheduler-recreated", fewest=RISES, share=0.0)
    if sighting is None:
        return None
    name = word(sighting, "scheduler", "the scheduler")
    return SCHEDULER_WRONG_FREQUENCY.finding(
        title="the scheduler is built anew in every epoch",
        because="a schedule counts its own calls, and a new one begins at none: it never gets beyond one epoch",
        where=sighting.where,
        step=sighting.step,
        evidence=(counted(sighting, f"times that {name} was built again for the same optimizer"),),
        remedies=(Remedy(text=f"build it once, before the loop over the epochs{at(sighting.where)}"),),
    )


def _same_rise(chart: Chart) -> Finding | None:
    loop = loop_of(chart)
    if loop.turns or len(loop.optimizers) != 1 or any(scheduler.cyclic for scheduler in loop.schedulers):
        return None
    starts = [
        index for index in range(1, len(chart.steps)) if chart.steps[index].rate < FOOT * chart.steps[index - 1].rate
    ]
    rises = [_rates(chart.steps, one, other) for one, other in zip([0, *starts], starts, strict=False)]
    for end in range(RISES, len(rises) + 1):
        run = rises[end - RISES : end]
        if all(rise == run[0] for rise in run) and _is_rise(run[0]):
            first, last = run[0][0], run[0][-1]
            where = place(
                chart.info.where("schedule.by_hand", "schedule.name"), *(made.where for made in loop.schedulers)
            )
            return SCHEDULER_WRONG_FREQUENCY.finding(
                title="the warmup begins again and again",
                because="what counts its steps starts over, so the rate falls back to its foot each time, and what "
                "comes after the warmup is never reached",
                where=place(where, chart.info.where("optimizer.lr")),
                step=chart.steps[starts[end - 1]].step,
                evidence=(
                    Evidence(name="rises of the rate that are the same, rate by rate", value=RISES, threshold=RISES),
                    Evidence(name="steps of each", value=len(run[0])),
                    Evidence(name="rates of each", value=f"{first:.3g} to {last:.3g}"),
                ),
                remedies=(
                    Remedy(text="count steps over the whole run: epoch * len(loader) + i, or a counter of its own"),
                ),
            )
    return None


def _rates(steps: Sequence[StepRecord], start: int, end: int) -> list[float]:
    """Return the rates of consecutive steps, none where some are missing."""
    part = steps[start:end]
    return [record.rate for record in part] if part[-1].step - part[0].step == len(part) - 1 else []


def _is_rise(rates: Sequence[float]) -> bool:
    if len(rates) < SHORTEST or not rates[0] < FOOT * rates[-1]:
        return False
    return all(earlier <= later for earlier, later in pairwise(rates))
