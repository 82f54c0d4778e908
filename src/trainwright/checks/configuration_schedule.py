"""The schedule against the planned run: is it over too early, still rising at the end, without a warmup it needs?

A schedule that is a function of the step is known exactly; torch's schedulers have a file of their own.
"""

from __future__ import annotations

from itertools import pairwise

from trainwright.checks.check import Skip
from trainwright.checks.configuration_scheduler import (
    EARLY,
    FITS,
    OVER,
    RESTARTS,
    RISING,
    epochs_of,
    of_scheduler,
    still_rising,
    too_short,
)
from trainwright.checks.planned import base_rate, has_attention, is_adaptive, rises_first, scheduler_of
from trainwright.checks.simulated import fault_at
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_schedule import WARMUP_MISSING
from trainwright.records import Evidence, Finding, Remedy

WIDE_RATE = 0.5
"""Rate times width from which Adam without warmup is noted for attention: 1e-3 at 512; small networks bear more."""
WIDE_RATE_HIGH = 2.0
_POINTS = 400


def horizon(subject: Subject) -> Finding | None:
    """Compare the length of the schedule with the planned steps."""
    scheduler, planned = scheduler_of(subject), subject.info.planned_steps
    if subject.schedule is None and scheduler is None:
        raise Skip("no schedule is given")
    if planned is None:
        raise Skip("how many steps are planned is not known")
    return of_scheduler(subject, scheduler, planned) if scheduler is not None else _of_function(subject, planned)


def _of_function(subject: Subject, planned: int) -> Finding | None:
    assert subject.schedule is not None
    places = sorted({round(place * (planned - 1) / _POINTS) for place in range(_POINTS + 1)})
    if fault_at(subject.schedule, places) is not None:
        raise Skip("the schedule gives no usable rate at some step")
    multiples = [subject.schedule(step) for step in places]
    peak = max(multiples)
    if peak <= 0:
        return None
    top = multiples.index(peak)
    if all(b >= a for a, b in pairwise(multiples)) and fault_at(subject.schedule, [2 * planned]) is None:
        # A warmup that outlasts the run never falls, and goes on rising behind its end.
        beyond = subject.schedule(2 * planned)
        if multiples[-1] < RISING * beyond:
            return still_rising(subject, multiples[-1] / beyond, planned)
    over = next((i for i in range(top, len(places)) if multiples[i] <= OVER * peak), None)
    if over is None or places[over] > EARLY * planned:
        return None
    epochs, end = epochs_of(subject, planned), places[over]
    by_epochs = epochs is not None and abs(end - epochs) <= FITS * epochs + planned / _POINTS
    if max(multiples[over:]) > RESTARTS * peak and not (by_epochs and _bounces(subject, end, peak)):
        return None  # restarts and cycles that are meant
    return too_short(subject, end, planned, epochs, certain=by_epochs)


def _bounces(subject: Subject, end: int, peak: float) -> bool:
    """Say whether the rate comes up from its end as slowly as it came down: a cosine beyond its period, no restart."""
    assert subject.schedule is not None
    half = max(1, end // 2)
    before, after = subject.schedule(end - half), subject.schedule(end + half)
    return abs(before - after) < FITS * peak and after < 0.9 * peak


def no_warmup(subject: Subject) -> Finding | None:
    """Find attention that starts at Adam's full and high rate."""
    optimizer = subject.optimizer
    if optimizer is None or not has_attention(subject.model):
        raise Skip("no optimizer is given" if optimizer is None else "the model has no attention")
    if subject.schedule is not None and fault_at(subject.schedule, [0]) is not None:
        raise Skip("the schedule gives no usable rate at the first step")
    warm = type(optimizer).__name__.lower() == "radam" or not is_adaptive(optimizer)
    if warm or subject.pretrained or rises_first(subject):
        return None
    widths = [len(parameter) for parameter in subject.model.parameters() if parameter.dim() == 1]
    rate = max(base_rate(group) for group in optimizer.param_groups)
    width = sorted(widths)[len(widths) // 2] if widths else 0
    if rate * width < WIDE_RATE:
        return None
    return WARMUP_MISSING.finding(
        severity="warning" if rate * width >= WIDE_RATE_HIGH else "note",
        where=subject.info.where("schedule.warmup", "schedule.name", "optimizer.lr"),
        evidence=(
            Evidence(name="learning rate", value=rate),
            Evidence(name="width", value=width),
            Evidence(name="rate times width", value=rate * width, threshold=WIDE_RATE),
        ),
        remedies=(Remedy(text="warm up over 5 % of the run", change={"schedule.warmup": 0.05}),),
    )
