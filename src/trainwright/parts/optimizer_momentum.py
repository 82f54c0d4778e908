"""The momentum of an optimizer, whatever its class calls it: read, and moved by schedules that move it."""

from __future__ import annotations

import torch

from trainwright.errors import UsageError
from trainwright.parts.optimizer_schedule_free import has_average


def momentum_of(optimizer: torch.optim.Optimizer) -> float | None:
    """Return the momentum coefficient of the first group that has one, or None where the optimizer has none to move.

    It is SGD's `momentum`, and beta1 of Adam and its relatives. None for plain SGD, AdaGrad, RMSProp, Adafactor and
    L-BFGS; for a momentum that was switched off by 0; and for schedule-free optimizers, whose coefficient says how
    evaluation's weights follow from those of training, and must stay as it is.
    """
    if has_average(optimizer):
        return None
    return next((value for group in optimizer.param_groups if (value := _momentum(group)) is not None), None)


def set_momentum(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Give every group that has a momentum this one; does nothing where `momentum_of` gives None.

    Raises `UsageError` where `value` does not lie between 0 and 1: at 0 it would be switched off for good, at 1 the
    speed would never fade.
    """
    if not 0 < value < 1:
        raise UsageError("momentum must be above 0 and below 1", evidence=f"it is {value:g}")
    if has_average(optimizer):
        return
    for group in optimizer.param_groups:
        if _momentum(group) is None:
            continue
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


def _momentum(group: dict) -> float | None:
    value = group["betas"][0] if "betas" in group else group.get("momentum")
    return float(value) if value else None
