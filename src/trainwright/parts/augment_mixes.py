"""Mixup and CutMix: samples mixed in pairs within a batch, and their targets in the same shares.

Every sample has a share of its own, drawn from Beta(alpha, alpha) as a function of (seed, epoch, index). Its partner
depends on the batch, as it must: the batch is walked in one random circle, so that any number of samples goes, odd ones
too, and nobody is its own partner but a sample that is alone.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from trainwright.errors import DataError
from trainwright.parts.augment_images import rectangles
from trainwright.records import Task


def partners(keys: torch.Tensor) -> torch.Tensor:
    """Return each sample's partner, int64 `(N,)`: the one with the next larger key; the largest gets the smallest.

    `keys` are random, float64 `(N,)`. The pairs depend on which samples are in the batch, and not on their order.
    """
    circle = torch.argsort(keys)
    partner = torch.empty_like(circle)
    partner[circle] = circle.roll(-1)
    return partner


def beta_quantiles(uniforms: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return the quantiles of Beta(alpha, alpha) at `uniforms`, float64 on the CPU: one draw for each number."""
    from scipy.special import betaincinv  # a tenth of a second: only for those who mix

    return torch.from_numpy(betaincinv(alpha, alpha, uniforms.numpy()))


def soft_targets(y: torch.Tensor, *, task: Task, outputs: int, dtype: torch.dtype) -> torch.Tensor:
    """Return targets that can be mixed: the same form for every batch of a run, mixed or not.

    Class ids `(N,)` become probabilities `(N, outputs)`; the 0/1 of a single output, of several labels, and the values
    of a regression become numbers, in the shape that they have; what already is a float stays as it is. Raises
    `DataError` on ids that are no classes: there is nothing that a missing class could be mixed with.
    """
    if y.is_floating_point():
        return y
    if task != "classification" or outputs == 1:
        return y.to(dtype)
    if y.dim() != 1 or not bool(((y >= 0) & (y < outputs)).all()):  # syncs an accelerator
        raise DataError(
            "mixing needs one class for each sample",
            evidence=f"targets of shape {tuple(y.shape)}, ids {y.unique().tolist()[:5]}..., for {outputs} outputs",
            remedy="leave samples without a class out, or take augment.mixup and augment.cutmix out",
        )
    return F.one_hot(y, outputs).to(dtype)


def mix(values: torch.Tensor, partner: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return share * own + (1 - share) * partner's, sample by sample; `share` is `(N,)`, in [0, 1]."""
    own = share.to(values).reshape(-1, *[1] * (values.dim() - 1))
    return own * values + (1 - own) * values[partner.to(values.device)]


def paste(
    images: torch.Tensor, partner: torch.Tensor, share: torch.Tensor, centres: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images `(N, channels, height, width)` with a rectangle from their partners, and the share left of each.

    The rectangle's sides are sqrt(1 - share) of the image's, rounded down; its centre may be anywhere, `centres` being
    `(N, 2)` in [0, 1), and what sticks out is cut off. So more than `share` may be left: what is left in truth, by
    the count of pixels, is returned, float64 `(N,)` on the CPU, for the targets (Yun et al. 2019).
    """
    height, width = images.shape[2:]
    top, bottom = _interval(centres[:, 0], share, height)
    left, right = _interval(centres[:, 1], share, width)
    pasted = rectangles(top, bottom, left, right, images=images)
    kept = 1 - ((bottom - top) * (right - left)).double() / (height * width)
    return torch.where(pasted, images[partner.to(images.device)], images), kept


def _interval(centre: torch.Tensor, share: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first pixel of the rectangle along one side of the image, and the one after its last: int64 `(N,)`."""
    length = torch.floor(side * torch.sqrt(1 - share))
    start = torch.floor(centre * side) - torch.floor(length / 2)
    return start.clamp(0, side).long(), (start + length).clamp(0, side).long()
