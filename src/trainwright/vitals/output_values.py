"""What the values of an output tell: their range, and whether they are probabilities or their logarithms."""

from __future__ import annotations

from typing import Any

import torch


def input_values(values: torch.Tensor) -> dict[str, Any]:
    """Return range, row-sum error and log-sum error of what enters a loss, `(N, C, ...)`, as `LossInput` has them."""
    if values.numel() == 0 or not values.is_floating_point():
        return {}
    wide = values if values.dtype in (torch.float32, torch.float64) else values.float()
    low, high = wide.aminmax()
    return {
        "minimum": float(low),
        "maximum": float(high),
        "row_sum_error": row_sum_error(wide),
        "log_sum_error": _log_sum_error(wide),
    }


def row_sum_error(values: torch.Tensor) -> float | None:
    """Return how far from 1 a sum along dimension 1 gets; None without one, or where an entry is not in [0, 1]."""
    if values.dim() < 2 or values.shape[1] < 2:
        return None
    if not bool(((values >= 0) & (values <= 1)).all()):
        return None
    return float((values.sum(1) - 1).abs().max())


def _log_sum_error(values: torch.Tensor) -> float | None:
    """Return the largest |log sum exp| along the dimension, after the first, for which it is least."""
    dimensions = [dimension for dimension in range(1, values.dim()) if values.shape[dimension] > 1]
    if not dimensions and values.dim() == 1 and len(values) > 1:
        dimensions = [0]
    errors = [float(values.logsumexp(dimension).abs().max()) for dimension in dimensions]
    return min(errors, default=None)
