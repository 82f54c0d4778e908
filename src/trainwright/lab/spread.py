"""How the weights that a run kept are spread: a histogram of each parameter, and what stands out of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from trainwright.errors import RunError
from trainwright.lab.kept import kept_weights

BINS = 41
"""Bars of a histogram; an odd number, so that the middle one holds zero."""
MOST_PARAMETERS = 200


def spread_of(folder: str) -> dict[str, Any]:
    """Return, for each parameter, the histograms of the weights that the run in `folder` kept, over common edges.

    `moments` name the weights; `parameters` hold `name`, `shape`, `edges`, and for each moment `counts`, `mean`,
    `std`, `low`, `high`, `zeros` (a share) and `lost` (weights that are no finite numbers). Raises `RunError` where
    it kept none.
    """
    kept = kept_weights(Path(folder))
    if not kept:
        raise RunError(
            "the run kept no weights", evidence="there is no whole checkpoint", remedy="they are kept as a run goes on"
        )
    names = [name for name, value in kept[-1].weights.items() if value.is_floating_point() and value.numel() > 1]
    return {
        "moments": [{"name": each.name, "step": each.step} for each in kept],
        "left_out": max(len(names) - MOST_PARAMETERS, 0),
        "parameters": [
            _parameter(name, [each.weights[name] for each in kept if name in each.weights])
            for name in names[:MOST_PARAMETERS]
        ],
    }


def _parameter(name: str, values: list[torch.Tensor]) -> dict[str, Any]:
    flat = [value.detach().reshape(-1).float() for value in values]
    finite = [each[each.isfinite()] for each in flat]
    reach = max((float(each.abs().max()) for each in finite if each.numel()), default=0.0) or 1.0
    width = 2 * reach / BINS
    return {
        "name": name,
        "shape": list(values[-1].shape),
        "edges": [-reach + width * place for place in range(BINS + 1)],
        "moments": [_moment(each, whole, reach) for each, whole in zip(finite, flat, strict=True)],
    }


def _moment(finite: torch.Tensor, whole: torch.Tensor, reach: float) -> dict[str, Any]:
    some = finite.numel() > 0
    return {
        "counts": torch.histc(finite, BINS, -reach, reach).long().tolist() if some else [0] * BINS,
        "mean": float(finite.mean()) if some else math.nan,
        "std": float(finite.std(correction=0)) if some else math.nan,
        "low": float(finite.min()) if some else math.nan,
        "high": float(finite.max()) if some else math.nan,
        "zeros": float((finite == 0).float().mean()) if some else math.nan,
        "lost": whole.numel() - finite.numel(),
    }
