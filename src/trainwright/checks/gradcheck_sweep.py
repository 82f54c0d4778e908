"""The error of the numeric gradient over the step size: truncation to the right, rounding to the left, a V between."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from trainwright.checks.gradcheck_losses import Losses
from trainwright.checks.gradcheck_plan import Sample, flattened
from trainwright.records.gradcheck import SweepPoint

STEPS = tuple(10.0 ** (-place / 2) for place in range(2, 25))
"""From 0.1 to 1e-12, two to a decade."""
_ENTRIES = 32  # of each tensor: the curve is one of norms, and needs no more


def sweep_over(
    losses: Losses, gradients: Mapping[str, torch.Tensor], samples: Mapping[str, Sample]
) -> tuple[SweepPoint, ...]:
    """Return |a - n| / max(|a|, |n|) over some entries of all parameters together, at each of `STEPS`."""
    analytic, numeric = [], []
    for name, sample in samples.items():
        flat = flattened(gradients[name])
        stride = max(1, len(sample.places) // _ENTRIES)
        places = sample.places[::stride][:_ENTRIES]
        if not len(places):
            continue
        sizes = torch.tensor(STEPS, dtype=torch.float64).repeat_interleave(len(places))
        both = losses.entries(name, places.repeat(2 * len(STEPS)), torch.cat([sizes, -sizes])).reshape(
            2, len(STEPS), -1
        )
        analytic.append(flat[places])
        numeric.append((both[0] - both[1]) / (2 * torch.tensor(STEPS, dtype=torch.float64)[:, None]))
    if not analytic:
        return ()
    a, n = torch.cat(analytic), torch.cat(numeric, 1)
    size = torch.maximum(a.norm(), n.norm(dim=1)).clamp(min=1e-300)
    errors = (n - a).norm(dim=1) / size
    return tuple(SweepPoint(h=h, relative_error=float(error)) for h, error in zip(STEPS, errors, strict=True))
