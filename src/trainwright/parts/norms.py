"""Normalisations: each makes the layer for vectors `(N, C)`, sequences `(N, C, L)` or images `(N, C, H, W)`.

Channels are always dimension 1. Every layer begins as the plain normalisation: weight 1, bias 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

from trainwright import defaults
from trainwright.errors import UsageError
from trainwright.records import NormSpec

_EPSILON = 1e-5  # what torch adds to the variance in all its other normalisations


class ChannelRMSNorm(nn.Module):
    """Root mean square normalisation over the channels, dimension 1, at every position: x / rms(x) * weight.

    Takes `(N, C, ...)` with any number of further dimensions. torch's own `RMSNorm` wants the channels last.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, C, ...)` to the same shape."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # the square of 300 does not fit float16
        scale = torch.rsqrt(wide.square().mean(1, keepdim=True) + _EPSILON)
        return (wide * scale * self.weight.view(-1, *[1] * (x.dim() - 2))).to(x.dtype)

    def extra_repr(self) -> str:
        """Return what torch prints in the brackets."""
        return f"{len(self.weight)}"


def groups_for(channels: int) -> int:
    """Return the number of groups for `channels`: the most that divide them, leaving each at least four channels.

    At most 32 (Wu and He, 2018); one group, which is layer normalisation, where nothing else divides.
    """
    most = min(int(defaults.NORM_GROUPS.value), channels // int(defaults.NORM_GROUP_CHANNELS.value))
    return next((groups for groups in range(most, 1, -1) if channels % groups == 0), 1)


def _batch(channels: int, dimensions: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if dimensions == 2 else nn.BatchNorm1d(channels)


def _layer(channels: int, dimensions: int) -> nn.Module:
    return nn.GroupNorm(1, channels) if dimensions else nn.LayerNorm(channels)


def _instance(channels: int, dimensions: int) -> nn.Module:
    if dimensions == 0:
        raise UsageError(
            "instance normalisation needs images or sequences",
            evidence="each channel of a vector is a single number, and would always become 0",
            remedy="take 'layer' or 'batch'",
        )
    layer = nn.InstanceNorm2d if dimensions == 2 else nn.InstanceNorm1d
    return layer(channels, affine=True)


CATALOGUE: Mapping[str, NormSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            NormSpec(
                name="batch",
                summary="each channel over the batch and space; in evaluation by the running statistics",
                formula="(x - mean) / sqrt(var + eps) * w + b, mean and var over (N, H, W)",
                factory=_batch,
                best_for="convolutional networks, batches of 16 and more",
                reference="G1, G3; Ioffe and Szegedy 2015",
            ),
            NormSpec(
                name="layer",
                summary="each sample over its channels and space, whatever the batch",
                formula="(x - mean) / sqrt(var + eps) * w + b, mean and var over (C, H, W), w and b for each channel",
                factory=_layer,
                best_for="transformers, small batches",
                reference="G1, G3; Ba et al. 2016",
            ),
            NormSpec(
                name="group",
                summary="each sample over groups of its channels and space",
                formula="(x - mean) / sqrt(var + eps) * w + b, mean and var over (C / groups, H, W)",
                factory=lambda channels, dimensions: nn.GroupNorm(groups_for(channels), channels),
                best_for="convolutional networks with small batches",
                reference="G3; Wu and He 2018",
            ),
            NormSpec(
                name="instance",
                summary="each channel of each sample over space",
                formula="(x - mean) / sqrt(var + eps) * w + b, mean and var over (H, W)",
                factory=_instance,
                best_for="style transfer, where contrast must not matter",
                reference="G3; Ulyanov et al. 2016",
            ),
            NormSpec(
                name="rms",
                summary="the channels at each position by their root mean square; nothing is subtracted",
                formula="x / sqrt(mean(x^2) + eps) * w, the mean over C",
                factory=lambda channels, dimensions: ChannelRMSNorm(channels),
                best_for="transformers; cheaper than layer",
                reference="Zhang and Sennrich 2019",
            ),
            NormSpec(
                name="none",
                summary="no normalisation",
                formula="x",
                factory=lambda channels, dimensions: nn.Identity(),
                best_for="shallow networks on standardised inputs",
                reference="G3",
            ),
        )
    }
)


def names(dimensions: int) -> tuple[str, ...]:
    """Return the names of the normalisations that work on maps of so many spatial dimensions."""
    return tuple(name for name in CATALOGUE if dimensions or name != "instance")
