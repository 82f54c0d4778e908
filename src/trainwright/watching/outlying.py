"""Targets beside the loss that they enter: a few that outweigh all others, and class weights beside class counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_COLUMNS = 16  # of a target; of pictures and maps a few places carry everything, and are meant to
_FEWEST = 200  # targets
_FARTHEST = 0.03  # share of the targets that are called the farthest
_LABELS = 100


def farthest_share(y: torch.Tensor) -> float | None:
    """Return the share of the squared distances from the median that the farthest 3 % of targets `(n, ...)` carry.

    Of several columns that of the worst; None where targets are few or many-columned. Columns of which half the values
    are equal have no scale, and are left out.
    """
    if not y.is_floating_point() or y.dim() == 0 or len(y) < _FEWEST:
        return None
    values = y.detach().double().reshape(len(y), -1)
    values = values[torch.isfinite(values).all(1)]
    if values.shape[1] > _COLUMNS or len(values) < _FEWEST:
        return None
    far = (values - values.median(0).values).abs()
    far = far[:, far.median(0).values > 0]
    if far.shape[1] == 0:
        return None
    squares = far.square().sort(0, descending=True).values
    top = max(1, round(_FARTHEST * len(squares)))
    return float((squares[:top].sum(0) / squares.sum(0)).max())


def weight_order(labels: torch.Tensor, options: Mapping[str, Any], ignored: int = -100) -> float | None:
    """Return the rank correlation of the class weights of a loss with how often each class comes.

    Classes that do not come, and those of weight 0, are left out; None where the weights are all the same, the classes
    equally frequent (within a half), or the labels few. For `pos_weight` alone it is 1 where the more frequent answer
    is weighted up by as much as it is more frequent, in either direction.
    """
    if labels.numel() < _LABELS:
        return None
    positive = options.get("pos_weight")
    if isinstance(positive, torch.Tensor) and positive.numel() == 1:
        return _answer_order(labels, float(positive))
    weight = options.get("weight")
    if not isinstance(weight, torch.Tensor) or weight.dim() != 1 or labels.is_floating_point():
        return None
    ids = labels.detach().reshape(-1).cpu().long()
    ids = ids[(ids != ignored) & (ids >= 0) & (ids < len(weight))]
    counts = torch.bincount(ids, minlength=len(weight)).double()
    weights = weight.detach().cpu().double()
    known = (counts > 0) & (weights > 0)
    counts, weights = counts[known], weights[known]
    if len(counts) < 2 or counts.max() < 1.5 * counts.min() or weights.max() < 1.2 * weights.min():
        return None
    ranks = torch.stack([_ranks(counts), _ranks(weights)])
    return float(torch.corrcoef(ranks)[0, 1])


def _answer_order(labels: torch.Tensor, weight: float) -> float | None:
    share = float(labels.detach().double().mean())
    if not 0 < share < 1 or max(share, 1 - share) < 0.6 or weight <= 0:
        return None
    inverted = share / (1 - share)
    return 1.0 if abs(torch.tensor(weight / inverted).log()) < 0.25 else None


def _ranks(values: torch.Tensor) -> torch.Tensor:
    """Return the mean rank of each value, ties sharing theirs."""
    below = (values[:, None] > values[None, :]).sum(1).double()
    equal = (values[:, None] == values[None, :]).sum(1).double()
    return below + (equal - 1) / 2
