"""The convolutional network: 3x3 convolutions, the image halved from stage to stage."""

from __future__ import annotations

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


def cnn(
    shape: DataShape, *, width: int, depth: int, dropout: float, norm: str = "batch", activation: str = "relu"
) -> nn.Module:
    """Convolutional network for images `(N, channels, height, width)`.

    `depth` stages of two 3x3 convolutions, each with its norm and activation; the first stage has `width` channels,
    each later one twice as many at half the resolution; then the mean over the image, Dropout and a Linear layer.
    Raises `ModelError` where the image cannot be halved so often.
    """
    channels, height, breadth = shape.input_shape
    if min(height, breadth) < 2 ** (depth - 1):
        raise ModelError(
            f"a cnn of depth {depth} halves the image {depth - 1} times, and nothing would be left of this one",
            evidence=f"the images are {height} x {breadth}",
            remedy=f"model.depth = {max(1, min(height, breadth).bit_length())}, or model.name = 'mlp'",
        )
    check_space("cnn", norm, (height >> (depth - 1), breadth >> (depth - 1)))
    layers: list[nn.Module] = []
    for stage in range(depth):
        maps = width * 2**stage
        if stage:
            layers.append(nn.MaxPool2d(2))
        for _ in range(2):
            layers += [*convolution(channels, maps, norm), activations.CATALOGUE[activation]()]
            channels = maps
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(channels, shape.outputs))
    model = nn.Sequential(*layers)
    initialise(model, AUTO)
    return laid_out(model, norm)


SPEC = ModelSpec(
    name="cnn",
    summary="3x3 convolutions with normalisation, halving the image stage by stage",
    factory=cnn,
    options={
        "width": count(16, 4_096, "channels of the first stage"),
        "depth": count(3, 12, "stages"),
        "dropout": dropout_option("share of the last features switched off in training"),
        "norm": norm_option("batch", 2),
        "activation": activation_option(),
    },
    dimensions=(3,),
    reference="G1, G3: batch normalisation for convolutional networks",
    recommended={
        "optimizer.lr": defaults.CONVOLUTION_LEARNING_RATE,
        "optimizer.weight_decay": defaults.CONVOLUTION_WEIGHT_DECAY,
        "train.batch_size": defaults.CONVOLUTION_BATCH_SIZE,
    },
)
