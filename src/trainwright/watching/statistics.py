"""Batch normalisation's running statistics beside those of the batches that go through."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from trainwright.watching.delayed import Delayed
from trainwright.watching.models import Call
from trainwright.watching.sightings import Sightings

_SETTLED = 100  # steps after which running statistics are expected to have caught up
_SHIFT = 0.25
"""Median over channels of |batch mean - running mean|, in the batch's standard deviations."""
_RATIO = math.log(1.3)
"""Median over channels of the logarithm of batch variance over running variance, without its sign."""
_NOISE = 1.0  # standard errors of a batch's own statistics on top: a median of their sizes shows two thirds of one


class Statistics:
    """Compares in sampled steps, and takes back what a later step shows to have settled."""

    def __init__(self, sightings: Sightings, delayed: Delayed) -> None:
        self._sightings = sightings
        self._delayed = delayed

    def passed(self, calls: Iterable[Call], step: int) -> None:
        """A model was called to learn from."""
        if step < _SETTLED:
            return
        kept: list[tuple[nn.modules.batchnorm._BatchNorm, int]] = []
        numbers: list[torch.Tensor] = []
        for call in calls:
            norm = call.module
            if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or not norm.training or not call.inputs:
                continue
            if norm.running_mean is None or norm.running_var is None:
                continue
            values = call.inputs[0].detach()
            if values.dim() < 2 or values.shape[0] < 2:
                continue
            axes = [dimension for dimension in range(values.dim()) if dimension != 1]
            variance, mean = torch.var_mean(values.float(), dim=axes)
            shift = ((mean - norm.running_mean).abs() / (variance.sqrt() + 1e-12)).median()
            ratio = ((variance + 1e-12) / (norm.running_var.float() + 1e-12)).log().abs().median()
            numbers += [shift, ratio]
            kept.append((norm, values.numel() // values.shape[1]))
        if kept:
            self._delayed.read(numbers, lambda read: self._judge(kept, read))

    def _judge(self, kept: list[tuple[nn.modules.batchnorm._BatchNorm, int]], numbers: list[float]) -> None:
        worst: tuple[float, float, nn.modules.batchnorm._BatchNorm] | None = None
        for (norm, count), shift, ratio in zip(kept, numbers[::2], numbers[1::2], strict=True):
            noise = _NOISE / math.sqrt(max(count, 1))
            if (shift > _SHIFT + noise or ratio > _RATIO + noise) and (worst is None or shift > worst[0]):
                worst = (shift, ratio, norm)
        if worst is None:
            self._sightings.forget("batch-norm-statistics-stale")
            return
        shift, ratio, norm = worst
        momentum = norm.momentum if isinstance(norm.momentum, float) else 0.0
        facts = {"shift": shift, "variance_ratio": math.exp(ratio), "momentum": momentum, "features": norm.num_features}
        self._sightings.note("batch-norm-statistics-stale", None, facts)
