"""Batch normalisation over the whole batch that several ranks share, as one process would compute it.

torch's own `SyncBatchNorm` is another module, and for GPUs alone; here the modules stay what they are and compute
otherwise for as long as a step's forward pass lasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import distributed
from torch.nn.modules.batchnorm import _BatchNorm


class _Total(torch.autograd.Function):
    """The sum over all ranks; the gradient of each rank's part is the sum of all gradients."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


class Synchronised:
    """The batch normalisations of a model. `counts` says whether this rank's rows are of the batch, or stand in."""

    def __init__(self, norms: Sequence[_BatchNorm]) -> None:
        self.norms = norms
        self.counts = True

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let them normalise over all ranks for the block, in training mode."""
        for norm in self.norms:
            norm.forward = partial(self._normalised, norm)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for norm in self.norms:
                vars(norm).pop("forward", None)

    def _normalised(self, norm: _BatchNorm, x: torch.Tensor) -> torch.Tensor:
        """Return what batch normalisation gives for `x` `(n, c, ...)` as part of the whole batch.

        y = (x - mean) / sqrt(var + eps) * weight + bias, the moments over the rows of all ranks (Ioffe and Szegedy
        2015); running statistics take the variance with n - 1.
        """
        if not norm.training:
            return type(norm).forward(norm, x)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1, *([1] * (x.dim() - 2))]
        wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
        counted = float(self.counts)
        own = wide.new_full((1,), counted * wide.numel() / wide.shape[1])
        sums = _Total.apply(torch.cat([wide.sum(axes) * counted, own]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = wide - mean.view(shape)
        variance = _Total.apply(centred.square().sum(axes) * counted) / count
        with torch.no_grad():
            self._remember(norm, mean, variance * count / (count - 1))
        y = centred * (variance + norm.eps).rsqrt().view(shape)
        if norm.affine:
            y = y * norm.weight.view(shape) + norm.bias.view(shape)
        return y.to(x.dtype)

    def _remember(self, norm: _BatchNorm, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if not norm.track_running_stats or norm.running_mean is None or norm.running_var is None:
            return
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        momentum = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum)
        norm.running_var.lerp_(variance.to(norm.running_var.dtype), momentum)
