"""The step of an optimizer that evaluates the loss several times: L-BFGS, on the whole of the data at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from trainwright.tensors import global_norm
from trainwright.training.result import Batch, NotFinite, StepResult

if TYPE_CHECKING:
    from trainwright.training.step import TrainStep


def line_search_step(step: TrainStep, batches: Sequence[Batch], number: int) -> StepResult:
    """Make update `number` of an optimizer that takes a closure.

    The gradient is not clipped: a line search compares losses along its direction, and must see the true one. Where
    the search walks into losses that are not finite, the weights are put back and the step is refused.
    """
    step.rates.set(number)
    kept = [parameter.detach().clone() for parameter in step.parameters]
    seen: list[tuple[float, float | None, float]] = []  # at the start, and along the search

    def closure() -> float:
        step.updating.clear_gradients()
        loss, penalty = step.backward(batches, number)
        gradients = [parameter.grad for parameter in step.parameters if parameter.grad is not None]
        seen.append((loss, penalty, float(global_norm(gradients))))
        return loss if penalty is None else loss + penalty

    refused: tuple[float, int] | None = None
    try:
        step.optimizer.step(closure)
    except NotFinite as found:
        refused = found.loss, found.batch
    step.clock.lap("update")
    if refused is None and not all(bool(torch.isfinite(parameter).all()) for parameter in step.parameters):
        refused = math.nan, 0
    if refused is not None:
        with torch.no_grad():
            for parameter, value in zip(step.parameters, kept, strict=True):
                parameter.copy_(value)
        return StepResult(loss=refused[0], rate=step.rates.used, refused="loss", batch=refused[1])
    step.rates.performed += 1
    loss, penalty, norm = seen[0]
    return StepResult(loss=loss, penalty=penalty, rate=step.rates.used, gradient_norm=norm, clipped_norm=norm)
