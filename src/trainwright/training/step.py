"""The training step: one optimizer update on one batch, in the order in which things happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from trainwright.randomness import seed_step
from trainwright.tensors import global_norm


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step did. `loss` and `gradient_norm` (before clipping) are scalars on the model's device.

    `refused` says why no update was made: the loss or the gradient was not finite, and would have ruined the weights.
    """

    loss: torch.Tensor
    rate: float
    gradient_norm: torch.Tensor | None = None
    clipped: bool = False
    refused: Literal["loss", "gradient"] | None = None


class TrainStep:
    """The one place where weights change.

    `schedule` gives the multiple of each group's own learning rate for a step number; `clip_norm` is the largest
    global norm of the gradient (None: no clipping); `seed` fixes the model's own randomness in each step.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        optimizer: torch.optim.Optimizer,
        *,
        schedule: Callable[[int], float],
        clip_norm: float | None,
        seed: int,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.seed = seed
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def __call__(self, x: torch.Tensor, y: torch.Tensor, step: int) -> StepResult:
        """Make update number `step` (from 0) on inputs `x` and targets `y`."""
        # The rate belongs to the step, so it is set before it: a warmup's first step must not run at the full rate.
        rate = self._set_rate(step)
        # Masks are a function of (seed, step): whatever ran since the last step cannot move them.
        seed_step(self.seed, step)

        self.optimizer.zero_grad(set_to_none=True)
        output = self.model(x)
        loss = self.loss(output, y)
        if not torch.isfinite(loss):  # syncs an accelerator; before backward, so that the weights stay as they were
            return StepResult(loss=loss.detach(), rate=rate, refused="loss")
        loss.backward()
        norm, clipped = self._clip()
        if not torch.isfinite(norm):
            return StepResult(loss=loss.detach(), rate=rate, gradient_norm=norm, refused="gradient")
        self.optimizer.step()
        return StepResult(loss=loss.detach(), rate=rate, gradient_norm=norm, clipped=clipped)

    def _set_rate(self, step: int) -> float:
        multiple = self.schedule(step)
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * multiple
        return self.base_rates[0] * multiple

    def _clip(self) -> tuple[torch.Tensor, bool]:
        """Scale the whole gradient down to `clip_norm`, keeping its direction; return the norm it had before."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = global_norm(gradients)
        if self.clip_norm is None or not bool(norm > self.clip_norm):
            return norm, False
        if torch.isfinite(norm):  # scaling by an infinite norm would turn finite entries into zeros, and hide it
            torch._foreach_mul_(gradients, self.clip_norm / norm)
        return norm, True
