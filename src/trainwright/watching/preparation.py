"""Are the inputs that a model is asked about prepared like those that it learns from."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from trainwright.records.findings import Scalar
from trainwright.vitals.data_scales import difference

FEWEST = 30
"""Samples below which a scale is not compared."""
_FEATURES = 64  # evenly spread ones are looked at
_IMAGES = 256
_NEAR = 0.4  # a difference below which nothing is made of it, whatever training itself does
_BLOCKS = 4  # parts of the training inputs that are compared with each other


def prepared(learnt: torch.Tensor, asked: torch.Tensor, *, complete: bool) -> Mapping[str, Scalar] | None:
    """Return how the two samples `(n, ...)` differ, None where they cannot be compared.

    The facts are those of `vitals.data_scales.Difference`, the largest of each between parts of training itself
    (`drift_shift`, `drift_log_ratio`), and `complete`, whether `asked` is a whole data set.
    """
    if learnt.shape[1:] != asked.shape[1:] or min(len(learnt), len(asked)) < FEWEST:
        return None
    learnt, asked = _some(learnt), _some(asked)
    found = difference(learnt, asked)
    if found is None:
        return None
    shift, ratio = _drift(learnt) if max(found.shift, found.log_ratio) > _NEAR else (0.0, 0.0)
    return {
        "shift": found.shift,
        "log_ratio": found.log_ratio,
        "shift_error": found.shift_error,
        "drift_shift": shift,
        "drift_log_ratio": ratio,
        "pooled": found.pooled,
        "centred": found.centred,
        "complete": complete,
        "training": found.first,
        "validation": found.second,
    }


def _some(x: torch.Tensor) -> torch.Tensor:
    """Return evenly spread features, or evenly spread images, whose pixels are thinned out later."""
    if x.dim() == 4:
        return x[:: max(1, len(x) // _IMAGES)][:_IMAGES]
    flat = x.reshape(len(x), -1)
    return flat[:, :: max(1, flat.shape[1] // _FEATURES)]


def _drift(x: torch.Tensor) -> tuple[float, float]:
    """Return the largest shift and log ratio between parts of training, 0 where they are too small to be compared."""
    size = len(x) // _BLOCKS
    if size < FEWEST:
        return 0.0, 0.0
    parts = [x[place * size : (place + 1) * size] for place in range(_BLOCKS)]
    found = [difference(parts[place], parts[place + 1]) for place in range(_BLOCKS - 1)]
    known = [each for each in found if each is not None]
    return max((each.shift for each in known), default=0.0), max((each.log_ratio for each in known), default=0.0)
