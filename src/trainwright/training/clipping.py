"""Clipping: by the global norm, which keeps the gradient's direction, or entry by entry, which does not (G3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from trainwright.tensors import global_norm, number


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """The global norm of a gradient before and after, and whether anything was cut."""

    norm: float
    clipped_norm: float
    clipped: bool


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Limits of a gradient: `value` for the size of each entry, `norm` for the global norm; None for no limit.

    Both may be given; entries are cut first. Global means over all parameters as one vector, not one norm for each
    tensor or group.
    """

    norm: float | None = None
    value: float | None = None

    def __call__(self, gradients: list[torch.Tensor]) -> Clipping:
        """Cut `gradients` in place. One that is not finite stays as it is: scaling would hide it."""
        before = number(global_norm(gradients))  # syncs an accelerator
        if not gradients or (self.norm is None and self.value is None) or not math.isfinite(before):
            return Clipping(norm=before, clipped_norm=before, clipped=False)
        after = before
        if self.value is not None:
            torch._foreach_clamp_max_(gradients, self.value)
            torch._foreach_clamp_min_(gradients, -self.value)
            after = number(global_norm(gradients))  # syncs an accelerator
        if self.norm is not None and after > self.norm:
            torch._foreach_mul_(gradients, self.norm / after)
            after = self.norm
        return Clipping(norm=before, clipped_norm=after, clipped=after < before)
