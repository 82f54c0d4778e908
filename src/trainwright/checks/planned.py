"""What is planned for the optimizer: its rate without the schedule, whether a warmup comes first, what family it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.checks.subject import Subject

_ADAM_WORDS = ("adam", "adan", "lamb", "lion", "adafactor", "sophia", "schedulefree")
_LOOK = 200  # steps of a schedule that are looked at for a warmup, or a tenth of the run


def base_rate(group: dict[str, Any]) -> float:
    """Return a group's rate as it was before a scheduler of torch touched it."""
    return float(group.get("initial_lr", group.get("lr", 0.0)))


def peak_of(subject: Subject) -> float:
    """Return the largest multiple of the rate that the schedule reaches: warmups and cycles begin below it."""
    if subject.schedule is None:
        return 1.0
    planned = subject.info.planned_steps or 1000
    return max(subject.schedule(round(place * planned / 100)) for place in range(101))


def scheduler_of(subject: Subject) -> Any:
    """Return the scheduler of torch that was given, None where there is none."""
    return subject.scheduler


def is_adaptive(optimizer: torch.optim.Optimizer) -> bool:
    """Say whether steps have a length of their own, whatever the gradient's: Adam and its relatives."""
    return any(word in type(optimizer).__name__.lower() for word in _ADAM_WORDS)


def rises_first(subject: Subject) -> bool:
    """Say whether the schedule begins with a warmup: with less than half of the rate that it reaches soon after."""
    scheduler = scheduler_of(subject)
    if scheduler is not None and subject.optimizer is not None:
        # Made before the first step, torch's schedulers have already set the first rate.
        return any(float(g["lr"]) < 0.5 * base_rate(g) for g in subject.optimizer.param_groups) or (
            type(scheduler).__name__ in ("OneCycleLR", "CyclicLR")
        )
    if subject.schedule is None:
        return False
    look = max(_LOOK, (subject.info.planned_steps or 0) // 10)
    multiples = [subject.schedule(step) for step in sorted({0, *range(0, look, max(1, look // 50)), look})]
    return multiples[0] < 0.5 * max(multiples)


def has_attention(model: nn.Module) -> bool:
    """Say whether the model has attention, by the classes of its modules."""
    words = ("attention", "transformer")
    return any(any(word in type(module).__name__.lower() for word in words) for module in model.modules())
