"""Differences of the loss around a point, with what rounding leaves of them, and the relative error against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from trainwright.records.gradcheck import BANDS

ROUNDING = 4.0
"""Standard deviations of rounding that are taken off an error; of 10**5 correct entries about one exceeds that by
chance, and then by little."""
_SOUND = BANDS[0][1]

LossAt = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(numbers of the probes, sizes) -> the loss with probe k displaced by size k."""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Differences of the loss at one step size: centred, from the right, from the left, and their rounding."""

    centred: torch.Tensor
    right: torch.Tensor
    left: torch.Tensor
    bar: float

    @property
    def jump(self) -> torch.Tensor:
        """By how much the one-sided derivatives differ."""
        return self.right - self.left


def differences(
    loss: LossAt, probes: torch.Tensor, base: float, steps: Sequence[float], rounding: float
) -> list[Differences]:
    """Return the differences of `probes` at each of `steps`; `rounding` is the standard deviation of the loss."""
    count = len(probes)
    sizes = torch.tensor(steps, dtype=torch.float64).repeat_interleave(count)
    both = loss(probes.repeat(2 * len(steps)), torch.cat([sizes, -sizes])).reshape(2, len(steps), count)
    pairs = zip(steps, *both, strict=True)
    return [difference(ahead, behind, base, h, rounding) for h, ahead, behind in pairs]


def difference(ahead: torch.Tensor, behind: torch.Tensor, base: float, h: float, rounding: float) -> Differences:
    """Return the differences of losses displaced by h and by -h around `base`."""
    return Differences(
        centred=(ahead - behind) / (2 * h),
        right=(ahead - base) / h,
        left=(base - behind) / h,
        bar=ROUNDING * rounding / h,
    )


def relative(analytic: torch.Tensor, numeric: torch.Tensor, bar: float = 0.0) -> torch.Tensor:
    """Return |a - n| over the larger of |a| and |n|, with `bar` taken off the difference; NaN becomes infinite.

    A difference within `bar` counts as sound whatever its share, and is given over a floor of `bar` / 1e-7.
    """
    size = torch.maximum(analytic.abs(), numeric.abs())
    distance = (analytic - numeric).abs()
    floored = distance / size.clamp(min=max(bar / _SOUND, 1e-300))
    error = torch.maximum(floored.clamp(max=_SOUND), (distance - bar).clamp(min=0.0) / size.clamp(min=1e-300))
    return torch.where(torch.isfinite(analytic) & torch.isfinite(numeric), error, torch.full_like(error, torch.inf))
