"""Faults of wiring, schedules and units that show only to a second look, each beside its fixed twin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from cases_wiring import CLASSES, FEATURES, SAMPLES, WIDTH, Plain, labelled, made
from checks_cases import Case
from torch import nn
from torch.optim import SGD, Optimizer, lr_scheduler
from wiring_nets import TwoInputs, two_inputs

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of

STEPS, EPOCH = 200, 10
"""Planned steps, and steps of an epoch."""


def scheduled(make: Callable[[Optimizer], Any], *, planned: int | None = STEPS) -> Subject:
    """Return a training by SGD for 20 epochs whose schedule is what `make` makes of its optimizer."""
    with isolated(3, "more cases"):
        model = Plain()
        x, y = labelled(EPOCH * 4)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    data = [(x[start : start + 4], y[start : start + 4]) for start in range(0, len(x), 4)]
    return subject_of(
        model, "cross_entropy", data, optimizer=optimizer, schedule=make(optimizer), planned_steps=planned
    )


def by_lambda(multiple: Callable[[int], float]) -> Callable[[Optimizer], Any]:
    """Return what makes torch's LambdaLR."""
    return lambda optimizer: lr_scheduler.LambdaLR(optimizer, multiple)


def elsewhere(optimizer: Optimizer) -> Any:
    """Return a scheduler of a twin of the optimizer."""
    twin = SGD(optimizer.param_groups[0]["params"], lr=0.1)
    return lr_scheduler.CosineAnnealingLR(twin, T_max=STEPS)


class Noisy(Plain):
    """Adds noise to what its encoder gives."""

    def __init__(self, draw: Callable[[Noisy, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.spread = nn.Linear(WIDTH, WIDTH)
        self.draw = draw

    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.draw(self, hidden)


def always_noisy(net: Noisy, hidden: torch.Tensor) -> torch.Tensor:
    return hidden + 0.5 * torch.randn_like(hidden)


def noisy_in_training(net: Noisy, hidden: torch.Tensor) -> torch.Tensor:
    return hidden + 0.5 * torch.randn_like(hidden) if net.training else hidden


def units(activation: type[nn.Module], *, stuck: float, at: float, width: int = 32) -> nn.Sequential:
    """Return a network with a share of its first units pushed to where they cannot move."""
    model = nn.Sequential(nn.Linear(FEATURES, width), activation(), nn.Linear(width, CLASSES))
    with torch.no_grad():
        model.get_parameter("0.bias")[: round(stuck * width)] = at
    return model


def many() -> tuple[torch.Tensor, torch.Tensor]:
    return labelled(4 * SAMPLES)


def dead(share: float) -> Callable[[], Subject]:
    return made(lambda: units(nn.ReLU, stuck=share, at=-20.0), data=many)


def flat(share: float) -> Callable[[], Subject]:
    return made(lambda: units(nn.Tanh, stuck=share, at=8.0), data=many)


def _schedule(name: str, kind: str, sick: Callable[[Optimizer], Any], fixed: Callable[[Optimizer], Any]) -> Case:
    return Case(
        name=name, check="configuration", kind=kind, sick=lambda: scheduled(sick), fixed=lambda: scheduled(fixed)
    )


CASES: list[Case] = [
    _schedule(
        "a rate below zero",
        "invalid-learning-rate",
        lambda optimizer: lambda step: 1 - step / 100,
        lambda optimizer: lambda step: max(0.0, 1 - step / 180),
    ),
    _schedule(
        "a rate that is no number",
        "invalid-learning-rate",
        by_lambda(lambda step: math.nan if step == 7 else 1.0),
        by_lambda(lambda step: 1 / math.sqrt(1 + step)),
    ),
    _schedule(
        "scheduler of a twin",
        "scheduler-of-another-optimizer",
        elsewhere,
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS),
    ),
    _schedule(
        "warmup of torch beyond the run",
        "scheduler-wrong-frequency",
        lambda optimizer: lr_scheduler.LinearLR(optimizer, total_iters=10 * STEPS),
        lambda optimizer: lr_scheduler.LinearLR(optimizer, total_iters=10),
    ),
    _schedule(
        "milestones beyond the run",
        "scheduler-wrong-frequency",
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [2 * STEPS, 3 * STEPS]),
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [10, 15]),
    ),
    _schedule(
        "halved at every call",
        "scheduler-wrong-frequency",
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.3),
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
    ),
    Case(
        name="noise in evaluation",
        check="modes",
        kind="dropout-always-on",
        sick=made(lambda: Noisy(always_noisy)),
        fixed=made(lambda: Noisy(noisy_in_training)),
    ),
    Case(
        name="five of eight units dead",
        check="initial-signal",
        kind="dead-relu",
        sick=dead(0.62),
        fixed=dead(0.3),
    ),
    Case(
        name="seven of ten units saturated",
        check="initial-signal",
        kind="saturated-activations",
        sick=flat(0.72),
        fixed=flat(0.3),
    ),
    Case(
        name="second input unused",
        check="input-matters",
        kind="outputs-ignore-input",
        sick=made(lambda: TwoInputs(blind=True), data=two_inputs),
        fixed=made(lambda: TwoInputs(blind=False), data=two_inputs),
    ),
]
