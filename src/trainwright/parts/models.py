"""Built-in networks, small and plain: raw logits or values come out, so that the loss can do its part."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import nn

from trainwright import defaults
from trainwright.errors import ModelError
from trainwright.records import DataShape, ModelSpec, Option


def mlp(shape: DataShape, *, width: int, depth: int, dropout: float) -> nn.Module:
    """Fully connected network: `depth` hidden layers of `width` units, each Linear, ReLU, Dropout.

    Maps `(N, *input_shape)` to `(N, outputs)`.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    size = 1
    for dimension in shape.input_shape:
        size *= dimension
    for _ in range(depth):
        layers += [nn.Linear(size, width), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        size = width
    layers.append(nn.Linear(size, shape.outputs))
    initialise(layers)
    return nn.Sequential(*layers)


def cnn(shape: DataShape, *, width: int, depth: int, dropout: float) -> nn.Module:
    """Convolutional network for images `(N, channels, height, width)`.

    `depth` stages of two 3x3 convolutions with batch normalisation and ReLU; the first stage has `width` channels,
    each later one twice as many at half the resolution; then the mean over the image, Dropout and a Linear layer.
    """
    channels, height, breadth = shape.input_shape
    if min(height, breadth) < 2 ** (depth - 1):
        raise ModelError(
            f"a cnn of depth {depth} halves the image {depth - 1} times, and nothing would be left of this one",
            evidence=f"the images are {height} x {breadth}",
            remedy=f"model.depth = {max(1, min(height, breadth).bit_length())}, or model.name = 'mlp'",
        )
    layers: list[nn.Module] = []
    for stage in range(depth):
        maps = width * 2**stage
        if stage:
            layers.append(nn.MaxPool2d(2))
        for _ in range(2):
            layers += [nn.Conv2d(channels, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
            channels = maps
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(channels, shape.outputs))
    initialise(layers)
    return nn.Sequential(*layers)


def initialise(layers: list[nn.Module]) -> None:
    """He's initialisation where a ReLU follows, a tenth of Glorot's for the last layer, biases zero (G3, G4).

    With small logits an untrained network favours no class, and its loss is what it should be: log C (G2, chapter 2).
    """
    weighted = [layer for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)]
    for layer in weighted:
        if layer is weighted[-1]:
            nn.init.xavier_uniform_(layer.weight, gain=0.1)
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _dropout(meaning: str) -> Option:
    return Option(
        default=defaults.DROPOUT.value,
        minimum=0.0,
        maximum=0.99,
        meaning=meaning,
        source=f"{defaults.DROPOUT.source}; {defaults.DROPOUT.disagreement}",
    )


def _count(default: int, maximum: int, meaning: str) -> Option:
    return Option(default=default, minimum=1, maximum=maximum, meaning=meaning, source="ours")


CATALOGUE: Mapping[str, ModelSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ModelSpec(
                name="mlp",
                summary="fully connected layers with ReLU and dropout",
                factory=mlp,
                options={
                    "width": _count(128, 65_536, "units in each hidden layer"),
                    "depth": Option(default=2, minimum=0, maximum=1_000, meaning="hidden layers", source="ours"),
                    "dropout": _dropout("share of hidden units switched off in training"),
                },
                dimensions=(1, 2, 3),
                reference="G4",
            ),
            ModelSpec(
                name="cnn",
                summary="3x3 convolutions with batch normalisation, halving the image stage by stage",
                factory=cnn,
                options={
                    "width": _count(32, 4_096, "channels of the first stage"),
                    "depth": _count(2, 12, "stages"),
                    "dropout": _dropout("share of the last features switched off in training"),
                },
                dimensions=(3,),
                reference="G1, G3: batch normalisation for convolutional networks",
            ),
        )
    }
)


def automatic(input_shape: tuple[int, ...]) -> str:
    """Return the name of the network that fits the samples: `cnn` for images `(channels, h, w)`, else `mlp`."""
    return "cnn" if len(input_shape) == 3 and min(input_shape[1:]) >= 4 else "mlp"


def build(name: str, shape: DataShape, options: Mapping[str, float]) -> nn.Module:
    """Build a network of the catalogue for `shape`. Raises `ModelError` where the network cannot take such samples."""
    spec = CATALOGUE[name]
    if len(shape.input_shape) not in spec.dimensions:
        fitting = [other.name for other in CATALOGUE.values() if len(shape.input_shape) in other.dimensions]
        raise ModelError(
            f"a {name} cannot take samples of shape {shape.input_shape}",
            evidence=f"it takes samples of {' or '.join(map(str, spec.dimensions))} dimensions",
            remedy=f"model.name = '{fitting[0]}'" if fitting else "reshape the samples, or pass a network of your own",
        )
    return spec.factory(shape, **options)
