"""What the best constant guess reaches under a loss with its options: the measure that needs no other scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from trainwright.vitals.setup import constant_loss


def constant_value(y: torch.Tensor, loss: str, options: Mapping[str, Any]) -> float | None:
    """Return the mean loss of the best constant predictor over targets `y` under torch's `options` of the loss.

    With class weights or label smoothing it is the entropy of the labels as they are weighted and smoothed. None where
    no closed form is known here.
    """
    weight, smoothing = options.get("weight"), float(options.get("label_smoothing") or 0.0)
    if loss not in ("cross_entropy", "nll") or y.is_floating_point():
        weighted = weight is not None or options.get("pos_weight") is not None
        return None if weighted else constant_loss(y, loss)
    if weight is None and smoothing == 0.0 and options.get("ignore_index", -100) == -100:
        return constant_loss(y, loss)
    labels = y.reshape(-1).long()
    labels = labels[labels != int(options.get("ignore_index", -100))]
    if not len(labels) or int(labels.min()) < 0:
        return None
    classes = len(weight) if isinstance(weight, torch.Tensor) else int(labels.max()) + 1
    if int(labels.max()) >= classes:
        return None
    counts = torch.bincount(labels, minlength=classes).double()
    if isinstance(weight, torch.Tensor):
        counts = counts * weight.detach().cpu().double()
    shares = (1 - smoothing) * counts / counts.sum() + smoothing / classes
    return float(-torch.xlogy(shares, shares).sum())
