"""The residual network: every block adds to what came in, and begins by adding nothing.

He et al. 2015, with the activation at the head of the branch (He et al. 2016), so that the way past the blocks is
free, and the last scale of each branch at zero (Goyal et al. 2017), so that a deep network begins as a shallow one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright import defaults
from trainwright.errors import ModelError
from trainwright.parts import activations
from trainwright.parts.initializers import AUTO, initialise
from trainwright.parts.networks.common import (
    activation_option,
    check_space,
    convolution,
    count,
    dropout_option,
    laid_out,
    norm_option,
)
from trainwright.records import DataShape, ModelSpec


class ChannelScale(nn.Module):
    """One factor for each channel, where no normalisation brings one: `(N, C, H, W)` times `weight`, at first 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, C, H, W)` to the same shape."""
        return x * self.weight.view(-1, 1, 1)


class Block(nn.Module):
    """A residual block: with a = activation(x), it gives x + branch(a), the branch being two 3x3 convolutions.

    Where the number of channels or the resolution changes, shortcut(a), a 1x1 convolution, stands in place of x. The
    branch ends in a scale of zero: a new block is its shortcut, and its convolutions have no gradient in the first
    step, until the scale has moved.
    """

    def __init__(self, channels: int, maps: int, *, stride: int, norm: str, activation: str) -> None:
        super().__init__()
        act = activations.CATALOGUE[activation]
        second = convolution(maps, maps, norm)
        if norm == "none":
            second.append(ChannelScale(maps))
        scale: Any = second[-1]
        nn.init.zeros_(scale.weight)
        self.activation = act()
        self.branch = nn.Sequential(*convolution(channels, maps, norm, stride=stride), act(), *second)
        same = channels == maps and stride == 1
        self.shortcut = None if same else nn.Sequential(*convolution(channels, maps, norm, size=1, stride=stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, channels, H, W)` to `(N, maps, H / stride, W / stride)`, rounded up."""
        active = self.activation(x)
        return (x if self.shortcut is None else self.shortcut(active)) + self.branch(active)


def resnet(
    shape: DataShape,
    *,
    width: int,
    depth: int,
    stages: int,
    dropout: float,
    norm: str = "batch",
    activation: str = "relu",
) -> nn.Module:
    """Residual network for images `(N, channels, height, width)`.

    `stages` of `depth` blocks; the first stage has `width` channels, each later one twice as many at half the
    resolution; then the mean over the image, Dropout and a Linear layer. Raises `ModelError` where the image cannot be
    halved so often.
    """
    channels, *size = shape.input_shape
    if min(size) < 2 ** (stages - 1):
        raise ModelError(
            f"a resnet of {stages} stages halves the image {stages - 1} times, and nothing would be left of this one",
            evidence=f"the images are {size[0]} x {size[1]}",
            remedy=f"model.stages = {max(1, min(size).bit_length())}, or model.name = 'mlp'",
        )
    halved = 2 ** (stages - 1)
    check_space("resnet", norm, (-(-size[0] // halved), -(-size[1] // halved)))
    layers: list[nn.Module] = [*convolution(channels, width, norm)]
    channels = width
    for stage in range(stages):
        for block in range(depth):
            stride = 2 if stage and not block else 1
            layers.append(Block(channels, width * 2**stage, stride=stride, norm=norm, activation=activation))
            channels = width * 2**stage
    layers += [activations.CATALOGUE[activation](), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(channels, shape.outputs))
    model = nn.Sequential(*layers)
    initialise(model, AUTO)
    return laid_out(model, norm)


SPEC = ModelSpec(
    name="resnet",
    summary="residual blocks of 3x3 convolutions, halving the image stage by stage",
    factory=resnet,
    options={
        "width": count(16, 4_096, "channels of the first stage"),
        "depth": count(2, 200, "blocks in each stage"),
        "stages": count(3, 12, "stages"),
        "dropout": dropout_option("share of the last features switched off in training"),
        "norm": norm_option("batch", 2),
        "activation": activation_option(),
    },
    dimensions=(3,),
    reference="He et al. 2015 and 2016; Goyal et al. 2017; G4: residual connections",
    recommended={
        "optimizer.lr": defaults.CONVOLUTION_LEARNING_RATE,
        "optimizer.weight_decay": defaults.CONVOLUTION_WEIGHT_DECAY,
        "train.batch_size": defaults.CONVOLUTION_BATCH_SIZE,
    },
)
