"""torch's schedulers against the planned run, by their length where they have one and by what they will give.

How often one will be stepped is not known beforehand: what is found must hold after each batch and after each epoch.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from trainwright.checks.check import Skip
from trainwright.checks.simulated import CALLS, simulated
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_schedule import SCHEDULER_WRONG_FREQUENCY
from trainwright.records import Evidence, Finding, Remedy

OVER = 1e-3
"""A rate below this share of the largest one is as good as none."""
EARLY = 0.5
"""A schedule that is over before half of the run wastes the rest; one that ends a little early may be meant."""
FITS = 0.1
"""Lengths that differ by a tenth fit: drop_last, a last short epoch, an off-by-one."""
RISING = 0.99
RESTARTS = 0.1
"""Share of the largest rate that comes back behind the end of a schedule that restarts or goes in cycles."""
_BEYOND = 20  # runs: how far a schedule that changes nothing within one is followed


def of_scheduler(subject: Subject, scheduler: Any, planned: int) -> Finding | None:
    """Judge a scheduler of torch by its length, and one that has none by its rates."""
    length = length_of(scheduler)
    if length is None:
        return _by_rates(subject, scheduler, planned)
    epochs = epochs_of(subject, planned)
    fits = [planned] if epochs is None else [planned, epochs]
    if any(abs(length - wanted) <= max(1, FITS * wanted) for wanted in fits):
        return _by_epochs(subject, scheduler, length, planned) if length <= EARLY * planned else None
    bounded = type(scheduler).__name__ == "OneCycleLR"
    if length > planned:
        return _too_long(
            subject,
            "the schedule is longer than the run",
            "its end, where the rate is low and the loss settles, is never reached",
            Evidence(name=f"length of {type(scheduler).__name__}", value=length),
            planned,
        )
    if length > EARLY * planned and not bounded:
        return None
    return too_short(subject, length, planned, epochs, certain=bounded)


def _by_rates(subject: Subject, scheduler: Any, planned: int) -> Finding | None:
    """Step a copy once for every planned step, the most often that it can be stepped."""
    name = type(scheduler).__name__
    multiples = simulated(scheduler, planned).multiples
    whole = len(multiples) == planned + 1  # neither cut off nor beyond its end
    if whole and "Cyclic" not in name:
        beyond = simulated(scheduler, _BEYOND * planned if len(set(multiples)) == 1 else 2 * planned)
        later = beyond.rates[min(len(beyond.rates), CALLS) - 1]
        if len(set(multiples)) == 1:
            changed = next((call for call, rates in enumerate(beyond.rates) if rates != beyond.rates[0]), None)
            return (
                None
                if changed is None
                else _too_long(
                    subject,
                    "the schedule changes nothing within the run",
                    "its first change lies beyond the last step, so the run has one rate from end to end",
                    Evidence(name=f"first change of {name}, in calls", value=changed),
                    planned,
                )
            )
        now = beyond.rates[planned]
        if all(b >= a for a, b in pairwise(multiples)) and max(now) < RISING * max(later):
            return still_rising(subject, max(now) / max(later), planned)
    return _over_early(subject, name, multiples, planned)


def _over_early(subject: Subject, name: str, multiples: list[float], planned: int) -> Finding | None:
    peak = max(multiples)
    top = multiples.index(peak)
    over = next((call for call in range(top, len(multiples)) if multiples[call] <= OVER * peak), None)
    if peak <= 0 or over is None or over > EARLY * planned or max(multiples[over:]) > RESTARTS * peak:
        return None
    epochs = epochs_of(subject, planned)
    if epochs is None:
        raise Skip(f"stepped after every batch, {name} is over after {over} steps; whether it will be is not known")
    return too_short(subject, over, planned, epochs, certain=False) if over <= EARLY * epochs else None


def still_rising(subject: Subject, multiple: float, planned: int) -> Finding:
    """Return the finding of a warmup that outlasts the run; `multiple` is how far it gets, of what it would reach."""
    return SCHEDULER_WRONG_FREQUENCY.finding(
        title="the warmup is longer than the run",
        because="the rate is still rising at the last planned step and never reaches its full value",
        where=subject.info.where("schedule.warmup", "schedule.name"),
        evidence=(
            Evidence(name="the rate at the last step, of that after twice as many", value=multiple, threshold=RISING),
            Evidence(name="planned steps", value=planned),
        ),
        remedies=(Remedy(text="5 % of the planned steps are a usual warmup"),),
    )


def too_short(subject: Subject, end: int, planned: int, epochs: int | None, *, certain: bool) -> Finding:
    """Return the finding of a schedule that is over after `end` steps."""
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


def _too_long(subject: Subject, title: str, because: str, evidence: Evidence, planned: int) -> Finding:
    return SCHEDULER_WRONG_FREQUENCY.finding(
        title=title,
        because=because,
        where=subject.info.where("schedule.name"),
        evidence=(evidence, Evidence(name="planned steps", value=planned)),
        remedies=(Remedy(text=f"give it a length of {planned}, and step it after every batch"),),
    )


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


def epochs_of(subject: Subject, planned: int) -> int | None:
    """Return how many epochs are planned, None where the length of one is not known, as when one batch was given."""
    each = subject.info.steps_per_epoch
    return None if not each or (each == 1 and subject.loader is None) else max(1, round(planned / each))
