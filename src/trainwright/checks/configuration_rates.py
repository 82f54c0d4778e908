"""Does the schedule give rates that can be trained with, and to the optimizer that trains?"""

from __future__ import annotations

from typing import Any

import torch

from trainwright.checks.check import Skip
from trainwright.checks.configuration_scheduler import epochs_of, length_of
from trainwright.checks.planned import scheduler_of
from trainwright.checks.simulated import CALLS, Fault, fault_at, fault_of, simulated
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_schedule import INVALID_LEARNING_RATE, SCHEDULER_OF_ANOTHER_OPTIMIZER
from trainwright.records import Evidence, Finding, Remedy

LOOK = 1000
"""Steps that are looked at one by one, of a longer or unknown run."""
_POINTS = 400  # spread over the rest


def rates_usable(subject: Subject) -> Finding | None:
    """Find the first step with a rate that is negative, NaN or infinite: exact, by asking for every one."""
    scheduler, planned = scheduler_of(subject), subject.info.planned_steps
    if scheduler is None and subject.schedule is None:
        raise Skip("no schedule is given")
    steps = planned if planned is not None else LOOK
    if scheduler is not None:
        fault = fault_of(simulated(scheduler, min(steps, CALLS)))
        if fault is not None and fault.value is None and length_of(scheduler) is not None:
            return None  # stepped beyond its end, which is judged by its length
    else:
        assert subject.schedule is not None
        places = {place * (steps - 1) // _POINTS for place in range(_POINTS + 1)}
        fault = fault_at(subject.schedule, sorted({*range(min(steps, LOOK)), *places}))
    if fault is None:
        return None
    return _unusable(subject, fault, planned, _epochs(subject) if scheduler is not None else None)


def _epochs(subject: Subject) -> int | None:
    planned = subject.info.planned_steps
    return None if planned is None else epochs_of(subject, planned)


def _unusable(subject: Subject, fault: Fault, planned: int | None, epochs: int | None) -> Finding:
    # A scheduler of torch may be stepped once an epoch, and one made for a run ends with it: neither gets there then.
    by_epochs = epochs is not None and fault.step > epochs
    beyond = planned is None and fault.step > 0 and (fault.value is None or fault.value < 0)
    because = INVALID_LEARNING_RATE.because
    if by_epochs:
        because = "stepped once an epoch it never gets there; stepped after every batch it does"
    elif beyond:
        because = "how many steps are planned is not known: a run that ends before never gets there"
    evidence = [Evidence(name="first step without a usable rate", value=fault.step)]
    if fault.value is None:
        evidence.append(Evidence(name="there it raises", value=fault.raised))
    else:
        evidence.append(Evidence(name="the rate there", value=fault.value, threshold=0.0))
    if planned is not None:
        evidence.append(Evidence(name="planned steps", value=planned))
    if epochs is not None:
        evidence.append(Evidence(name="planned epochs", value=epochs))
    what = "raises" if fault.value is None else f"gives {_word(fault.value)}"
    return INVALID_LEARNING_RATE.finding(
        severity="note" if by_epochs or beyond else "error",
        title=f"the schedule {what} at step {fault.step}",
        where=subject.info.where("schedule.name"),
        step=fault.step,
        evidence=tuple(evidence),
        because=because,
        remedies=(
            Remedy(text="keep it at zero or above for every step of the run: max(0.0, ...)"),
            Remedy(text="check what it divides by, and in which unit it counts: steps, epochs or a share of the run"),
        ),
        confidence=0.5 if by_epochs or beyond else 1.0,
    )


def _word(rate: float) -> str:
    return "NaN" if rate != rate else f"{rate:.3g}"


def scheduler_bound(subject: Subject) -> Finding | None:
    """Find a scheduler whose optimizer shares no group with the one that trains: exact, by identity."""
    scheduler, optimizer = scheduler_of(subject), subject.optimizer
    if scheduler is None:
        raise Skip("no scheduler of torch is given")
    if optimizer is None:
        raise Skip("no optimizer is given")
    bound = getattr(scheduler, "optimizer", None)
    if not isinstance(bound, torch.optim.Optimizer):
        raise Skip(f"{type(scheduler).__name__} names no optimizer whose rates it sets")
    # Wrappers of an optimizer hold another object, but the groups of the one inside.
    if _groups(bound) & _groups(optimizer):
        return None
    return SCHEDULER_OF_ANOTHER_OPTIMIZER.finding(
        where=subject.info.where("schedule.name", "optimizer.name"),
        evidence=(
            Evidence(name="groups of the optimizer that the scheduler sets the rate of", value=0, threshold=1),
            Evidence(name=f"{type(scheduler).__name__} was made for", value=_named(bound)),
            Evidence(name="the optimizer that trains", value=_named(optimizer)),
        ),
        remedies=(Remedy(text="make the scheduler after the optimizer that trains, and with it"),),
    )


def _groups(optimizer: Any) -> set[int]:
    inner = getattr(optimizer, "optimizer", None)
    found = {id(group) for group in optimizer.param_groups}
    return found | (_groups(inner) if isinstance(inner, torch.optim.Optimizer) else set())


def _named(optimizer: torch.optim.Optimizer) -> str:
    rates = ", ".join(dict.fromkeys(f"{float(group.get('lr', 0.0)):g}" for group in optimizer.param_groups))
    return f"{type(optimizer).__name__} with rate {rates}"
