"""How much rounding there is in a loss, measured by differences of high order: nothing else is left of a smooth one.

The estimator is that of Moré and Wild, "Estimating computational noise" (2011).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from trainwright.checks.gradcheck_losses import Losses
from trainwright.randomness import generator

_POINTS = 8
_LINES = 3  # directions along which rounding is looked at
_NEAR, _FAR = 1e-10, 1e-6  # spacings: in float64 the first shows rounding alone; the second passes float32's as well
_LOW = 1e-11  # relative to the loss
_ZOOMS = 4  # each narrows a line to two of its seven intervals: 150 times in all
_LASTS = 0.1  # of the noise, behind the zooms: jumps keep their size, and what kinks leave falls with the spacing
_EPSILON = torch.finfo(torch.float64).eps


def rounding_of(losses: Losses, gradients: Mapping[str, torch.Tensor], seed: int) -> tuple[float, bool]:
    """Return the standard deviation of rounding in the loss, and whether it is far above that of float64.

    It is so for certain where every loss is a float32. A line on which nothing changes says nothing: so small a
    displacement may vanish in float32 altogether. Below a quarter of the loss's own last digit rounding is not taken to
    be: an estimate of zero is luck.
    """
    name = max(gradients, key=lambda each: (float(gradients[each].abs().sum()), each))
    width = losses.width(name)
    lines = torch.randn(_LINES, width, dtype=torch.float64, generator=generator(seed, "gradcheck", "rounding"))
    which = torch.arange(_LINES).repeat_interleave(_POINTS).repeat(2)
    steps = torch.arange(_POINTS, dtype=torch.float64).repeat(_LINES)
    values = losses.along(name, lines, which, torch.cat([_NEAR * steps, _FAR * steps]))
    near, far = values.reshape(2, _LINES, _POINTS)
    size = abs(losses.base)
    noise = _noise(far)
    if bool(gradients[name].any()) and bool((values == values.float().double()).all()):
        return max(float(noise.max()), torch.finfo(torch.float32).eps * size / 4, 1e-300), True
    moving = (far != far[:, :1]).any(1)
    coarse = float(noise[moving].min()) if bool(moving.any()) else 0.0  # where the fewest kinks are crossed
    if coarse > _LOW * max(size, 1e-3):
        lasting = _zoomed(losses, name, lines[moving], far[moving])
        if bool((lasting > _LASTS * noise[moving]).any()):
            return coarse, True
    measured = float(_noise(near).max())
    return max(measured if measured < _LOW * max(size, 1e-3) else 0.0, _EPSILON * size / 4, 1e-300), False


def _zoomed(losses: Losses, name: str, lines: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return what is left of the noise on each line where it is strongest, looked at ever more closely.

    A network with many units crosses a kink at every step of 1e-6, on every line. Rounding is made of jumps, which are
    as high from near as from afar; at a kink the loss has none.
    """
    count = len(lines)
    which = torch.arange(count).repeat_interleave(_POINTS)
    places = (_FAR * torch.arange(_POINTS, dtype=torch.float64)).repeat(count, 1)
    for _ in range(_ZOOMS):
        bend = values.diff(n=2, dim=1).abs().argmax(1, keepdim=True)  # around the point behind it
        low, high = places.gather(1, bend), places.gather(1, bend + 2)
        places = low + (high - low) * torch.linspace(0, 1, _POINTS, dtype=torch.float64)
        values = losses.along(name, lines, which, places.flatten()).reshape(count, _POINTS)
    return _noise(values)


def _noise(values: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation of rounding on each line of `values` `(lines, points)`."""
    found = []
    for order in range(1, 7):
        values = values.diff(dim=1)
        if order >= 4:
            weight = math.factorial(order) ** 2 / math.factorial(2 * order)
            found.append(weight * values.square().mean(1))
    return torch.stack(found).amax(0).sqrt()
