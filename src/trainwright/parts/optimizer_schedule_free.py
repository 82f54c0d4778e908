"""Schedule-free optimizers: the rate stays constant, and the average of the steps takes the schedule's place.

Three sets of weights: z makes plain steps, x is the weighted mean of all z so far, and the gradient is taken at y, a
mixture of both. In training the parameters hold y, in evaluation x, and the optimizer's `train()` and `eval()` change
between them. A warmup of the rate does no harm; a schedule that lets it fall only shortens the last steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from schedulefree import AdamWScheduleFree, SGDScheduleFree

from trainwright import defaults
from trainwright.parts.optimizer_options import EPSILON, coefficient, decay, rate
from trainwright.records import OptimizerSpec


def has_average(optimizer: torch.optim.Optimizer) -> bool:
    """Say whether an optimizer, ours or not, keeps other weights for evaluation than for training."""
    return callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))


@contextmanager
def averaged(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let the parameters hold the weights for evaluation during the block, then those of training, bit for bit.

    `eval()` and `train()` alone come back with other roundings, so that a run that is evaluated would not be the run
    that is not. Does nothing for an optimizer without an average, nor where it is in evaluation already. Costs a copy
    of the parameters for the length of the block.
    """
    switched: Any = optimizer
    if not has_average(optimizer) or not any(group.get("train_mode", True) for group in optimizer.param_groups):
        yield
        return
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kept = [weight.detach().clone() for weight in weights]
    switched.eval()
    try:
        yield
    finally:
        switched.train()
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)


def _schedule_free(
    groups: list[dict], *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> torch.optim.Optimizer:
    optimizer = AdamWScheduleFree(groups, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=epsilon)
    optimizer.train()  # or its first step would be refused
    return optimizer


def _schedule_free_sgd(groups: list[dict], *, lr: float, weight_decay: float, momentum: float) -> torch.optim.Optimizer:
    optimizer = SGDScheduleFree(groups, lr=lr, weight_decay=weight_decay, momentum=momentum)
    optimizer.train()
    return optimizer


SCHEDULE_FREE = OptimizerSpec(
    name="schedule_free",
    summary="AdamW at a constant rate that evaluates the average of its steps: good at any time, no end to plan for",
    formula="y = (1-b1) z + b1 x; z <- z - eta (g(y) / (sqrt(v^) + eps) + lambda y); x <- (1-c) x + c z, "
    "c = eta^2 / sum of eta^2",
    factory=_schedule_free,
    torch_class="",
    options={
        "lr": rate(defaults.SCHEDULE_FREE_LEARNING_RATE),
        "weight_decay": decay(defaults.WEIGHT_DECAY),
        "beta1": coefficient(defaults.ADAM_BETA1, positive=True),
        "beta2": coefficient(defaults.ADAM_BETA2),
        "epsilon": EPSILON,
    },
    best_for="runs whose length is not known beforehand, with schedule.name = 'constant'",
    reference="Defazio et al. 2024",
    averages=True,
)
SCHEDULE_FREE_SGD = OptimizerSpec(
    name="schedule_free_sgd",
    summary="SGD at a constant rate that evaluates the average of its steps; decay inside the gradient",
    formula="y = (1-mu) z + mu x; z <- z - eta (g(y) + lambda y); x <- (1-c) x + c z, c = eta^2 / sum of eta^2",
    factory=_schedule_free_sgd,
    torch_class="",
    options={
        "lr": rate(defaults.SCHEDULE_FREE_SGD_LEARNING_RATE),
        "weight_decay": decay(),
        "momentum": coefficient(defaults.MOMENTUM, positive=True),
    },
    best_for="where SGD with momentum is, when the length of the run is not known beforehand",
    reference="Defazio et al. 2024",
    averages=True,
)
