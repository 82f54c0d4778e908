"""The schedule against the planned run: is it over too early, still rising at the end, without a warmup it needs?

A schedule that is a function of the step is known exactly. Of torch's schedulers only their length is known, not how
often they will be stepped: it must fit the number of steps or the number of epochs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from trainwright.checks.check import Skip
from trainwright.checks.planned import base_rate, has_attention, is_adaptive, rises_first, scheduler_of
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_schedule import SCHEDULER_WRONG_FREQUENCY, WARMUP_MISSING
from trainwright.records import Evidence, Finding, Remedy

OVER = 1e-3
"""A rate below this share of the largest one is as good as none."""
EARLY = 0.5
"""A schedule that is over before half of the run wastes the rest; one that ends a little early may be meant."""
FITS = 0.1
"""Lengths that differ by a tenth fit: drop_last, a last short epoch, an off-by-one."""
RISING = 0.99
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
    return _of_scheduler(subject, scheduler, planned) if scheduler is not None else _of_function(subject, planned)


def _of_function(subject: Subject, planned: int) -> Finding | None:
    assert subject.schedule is not None
    places = sorted({round(place * (planned - 1) / _POINTS) for place in range(_POINTS + 1)})
    multiples = [subject.schedule(step) for step in places]
    peak = max(multiples)
    if peak <= 0:
        return None
    top = multiples.index(peak)
    # A warmup that outlasts the run never falls, and goes on rising behind its end.
    beyond = subject.schedule(2 * planned)
    if all(b >= a for a, b in pairwise(multiples)) and multiples[-1] < RISING * beyond:
        return SCHEDULER_WRONG_FREQUENCY.finding(
            title="the warmup is longer than the run",
            because="the rate is still rising at the last planned step and never reaches its full value",
            where=subject.info.where("schedule.warmup", "schedule.name"),
            evidence=(
                Evidence(name="multiple of the rate at the last step", value=multiples[-1]),
                Evidence(name="after twice as many steps", value=beyond),
                Evidence(name="planned steps", value=planned),
            ),
            remedies=(Remedy(text="5 % of the planned steps are a usual warmup"),),
        )
    over = next((i for i in range(top, len(places)) if multiples[i] <= OVER * peak), None)
    if over is None or places[over] > EARLY * planned:
        return None
    epochs, end = _epochs(subject, planned), places[over]
    by_epochs = epochs is not None and abs(end - epochs) <= FITS * epochs + planned / _POINTS
    if max(multiples[over:]) > 0.1 * peak and not (by_epochs and _bounces(subject, end, peak)):
        return None  # restarts and cycles that are meant
    return _too_short(subject, end, planned, epochs, certain=by_epochs)


def _bounces(subject: Subject, end: int, peak: float) -> bool:
    """Say whether the rate comes up from its end as slowly as it came down: a cosine beyond its period, no restart."""
    assert subject.schedule is not None
    half = max(1, end // 2)
    before, after = subject.schedule(end - half), subject.schedule(end + half)
    return abs(before - after) < FITS * peak and after < 0.9 * peak


def _of_scheduler(subject: Subject, scheduler: Any, planned: int) -> Finding | None:
    length = length_of(scheduler)
    if length is None:
        raise Skip(f"{type(scheduler).__name__} has no length of its own")
    epochs = _epochs(subject, planned)
    fits = [planned] if epochs is None else [planned, epochs]
    if any(abs(length - wanted) <= max(1, FITS * wanted) for wanted in fits):
        return _by_epochs(subject, scheduler, length, planned) if length <= EARLY * planned else None
    bounded = type(scheduler).__name__ == "OneCycleLR"
    if length > planned:
        return SCHEDULER_WRONG_FREQUENCY.finding(
            title="the schedule is longer than the run",
            because="its end, where the rate is low and the loss settles, is never reached",
            where=subject.info.where("schedule.name"),
            evidence=(
                Evidence(name=f"length of {type(scheduler).__name__}", value=length),
                Evidence(name="planned steps", value=planned),
            ),
            remedies=(Remedy(text=f"give it a length of {planned}, and step it after every batch"),),
        )
    if length > EARLY * planned and not bounded:
        return None
    return _too_short(subject, length, planned, epochs, certain=bounded)


def _by_epochs(subject: Subject, scheduler: Any, length: int, planned: int) -> Finding:
    """Say when a length in epochs is right: how often the scheduler will be stepped cannot be seen beforehand."""
    name = type(scheduler).__name__
    return SCHEDULER_WRONG_FREQUENCY.finding(
        severity="note",
        title="the schedule's length is the number of epochs",
        because="that is right where it is stepped once an epoch; stepped after every batch, it is soon over",
        where=subject.info.where("schedule.name"),
        evidence=(Evidence(name=f"length of {name}", value=length), Evidence(name="planned steps", value=planned)),
        remedies=(Remedy(text=f"call scheduler.step() once an epoch, or give it a length of {planned}"),),
        confidence=0.5,
    )


def _too_short(subject: Subject, end: int, planned: int, epochs: int | None, *, certain: bool) -> Finding:
    evidence = [
        Evidence(name="steps until the schedule is over", value=end),
        Evidence(name="planned steps", value=planned),
    ]
    if epochs is not None:
        evidence.append(Evidence(name="planned epochs", value=epochs))
    return SCHEDULER_WRONG_FREQUENCY.finding(
        severity="error" if certain else "warning",
        title="the schedule is over long before the run",
        where=subject.info.where("schedule.name"),
        evidence=tuple(evidence),
        remedies=(
            Remedy(text=f"give it a length of {planned}, the number of steps, if it is stepped after every batch"),
        ),
    )


def length_of(scheduler: Any) -> int | None:
    """Return after how many of its own steps a scheduler of torch is over, None for those without an end."""
    name = type(scheduler).__name__
    if name == "CosineAnnealingLR":
        return int(scheduler.T_max)
    if name == "OneCycleLR":
        return int(scheduler.total_steps)
    if name == "PolynomialLR":
        return int(scheduler.total_iters)
    if name == "SequentialLR":
        last, milestones = length_of(scheduler._schedulers[-1]), list(scheduler._milestones)
        return None if last is None else int(milestones[-1]) + last
    return None


def _epochs(subject: Subject, planned: int) -> int | None:
    each = subject.info.steps_per_epoch
    return None if not each else max(1, round(planned / each))


def no_warmup(subject: Subject) -> Finding | None:
    """Find attention that starts at Adam's full and high rate."""
    optimizer = subject.optimizer
    if optimizer is None or not has_attention(subject.model):
        raise Skip("no optimizer is given" if optimizer is None else "the model has no attention")
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
