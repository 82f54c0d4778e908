"""Twenty small trainings for the learning-rate finder: data, network, optimizer and length. Half of them to fit on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.data.load import load

Data = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Task:
    """A training; `fitted` says that it belongs to the half that numbers may be fitted on."""

    name: str
    data: Callable[[], tuple[Data, Data]]  # to train on, to validate on
    network: Callable[[], nn.Module]
    optimizer: str
    steps: int
    batch: int
    fitted: bool

    @property
    def loss(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """The squared error for values, cross-entropy for classes."""
        return F.mse_loss if "diabetes" in self.name or "wave" in self.name else F.cross_entropy


@cache
def embedded(name: str, *, image: bool = False) -> tuple[Data, Data]:
    """Return a data set that comes with scikit-learn, two fifths of it to validate on: few samples make loud scores."""
    dataset = load(name, target=None, task="auto", normalise="standard", validation=0.4, test=0.0, seed=0)
    validation = dataset.validation
    assert validation is not None
    splits = [(part.x, part.y) for part in (dataset.train, validation)]
    return tuple((x if image else x.flatten(1), y) for x, y in splits)  # type: ignore[return-value]


def halves(x: torch.Tensor, y: torch.Tensor) -> tuple[Data, Data]:
    middle = len(x) // 2
    return (x[:middle], y[:middle]), (x[middle:], y[middle:])


@cache
def rings() -> tuple[Data, Data]:
    generator = torch.Generator().manual_seed(1)
    y = torch.randint(0, 3, (1200,), generator=generator)
    angle = 2 * torch.pi * torch.rand(1200, generator=generator)
    radius = 0.6 + 0.6 * y + 0.12 * torch.randn(1200, generator=generator)
    return halves(torch.stack([radius * angle.cos(), radius * angle.sin()], 1), shuffled(y, 3, generator))


@cache
def blobs() -> tuple[Data, Data]:
    generator = torch.Generator().manual_seed(2)
    centres = 1.2 * torch.randn(6, 10, generator=generator)
    y = torch.randint(0, 6, (1600,), generator=generator)
    return halves(centres[y] + torch.randn(1600, 10, generator=generator), y)


@cache
def spirals() -> tuple[Data, Data]:
    generator = torch.Generator().manual_seed(3)
    y = torch.randint(0, 2, (1600,), generator=generator)
    along = 0.4 + 2.6 * torch.rand(1600, generator=generator)
    angle = 2.2 * along + torch.pi * y
    x = torch.stack([along * angle.cos(), along * angle.sin()], 1)
    return halves(x + 0.08 * torch.randn(1600, 2, generator=generator), shuffled(y, 2, generator))


@cache
def wave() -> tuple[Data, Data]:
    generator = torch.Generator().manual_seed(4)
    x = 2 * torch.rand(1200, 3, generator=generator) - 1
    y = (3 * x[:, :1]).sin() + x[:, 1:2] * x[:, 2:] + 0.1 * torch.randn(1200, 1, generator=generator)
    return halves(x, y)


@cache
def sequences() -> tuple[Data, Data]:
    """Return token sequences, of which the class is the first token, or where that is 0 the last; one in ten is off."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randint(0, 6, (1600, 8), generator=generator)
    return halves(x, shuffled(torch.where(x[:, 0] == 0, x[:, -1], x[:, 0]), 6, generator))


def shuffled(y: torch.Tensor, classes: int, generator: torch.Generator) -> torch.Tensor:
    """Return labels of which one in ten is drawn at random, so that no loss comes near zero."""
    drawn = torch.randint(0, classes, y.shape, generator=generator)
    return torch.where(torch.rand(len(y), generator=generator) < 0.1, drawn, y)


def mlp(inputs: int, width: int, depth: int, outputs: int, norm: bool = False) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        layers: list[nn.Module] = []
        sizes = [inputs, *[width] * depth]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if norm else []), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(width, outputs))

    return build


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


class Attentive(nn.Module):
    """One block of attention over eight tokens, and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 16)
        self.places = nn.Parameter(0.1 * torch.randn(8, 16))
        self.first, self.second = nn.LayerNorm(16), nn.LayerNorm(16)
        self.mixed, self.joined = nn.Linear(16, 48), nn.Linear(16, 16)
        self.wide, self.narrow = nn.Linear(16, 32), nn.Linear(32, 16)
        self.output = nn.Linear(16, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map tokens `(N, 8)` to logits `(N, 6)`."""
        state = self.embedding(x) + self.places
        query, key, value = self.mixed(self.first(state)).chunk(3, -1)
        state = state + self.joined((query @ key.transpose(-1, -2) / 4).softmax(-1) @ value)
        state = state + self.narrow(F.gelu(self.wide(self.second(state))))
        return self.output(state.mean(1))


def digits() -> tuple[Data, Data]:
    return embedded("digits")


def pictures() -> tuple[Data, Data]:
    return embedded("digits", image=True)


def iris() -> tuple[Data, Data]:
    return embedded("iris")


def wine() -> tuple[Data, Data]:
    return embedded("wine")


def cancer() -> tuple[Data, Data]:
    return embedded("breast_cancer")


def diabetes() -> tuple[Data, Data]:
    return embedded("diabetes")


TASKS = (
    Task("digits 64-32-10", digits, mlp(64, 32, 1, 10), "adamw", 300, 64, True),
    Task("digits 64-32-32-32-10", digits, mlp(64, 32, 3, 10), "sgd", 300, 64, True),
    Task("rings 2-24-24-3", rings, mlp(2, 24, 2, 3), "adam", 1200, 32, True),
    Task("iris 4-16-3", iris, mlp(4, 16, 1, 3), "momentum", 200, 32, True),
    Task("wave 3-32-32-1", wave, mlp(3, 32, 2, 1), "rmsprop", 400, 32, True),
    Task("cancer 30-16-16-2", cancer, mlp(30, 16, 2, 2), "adamw", 200, 32, True),
    Task("sequences, attention", sequences, Attentive, "adam", 200, 32, True),
    Task("spirals 2-24-24-24-2, norms", spirals, mlp(2, 24, 3, 2, norm=True), "momentum", 300, 32, True),
    Task("blobs 10-32-6", blobs, mlp(10, 32, 1, 6), "rmsprop", 800, 32, True),
    Task("diabetes 10-16-1", diabetes, mlp(10, 16, 1, 1), "sgd", 200, 32, True),
    Task("digits 64-32-32-10", digits, mlp(64, 32, 2, 10), "momentum", 300, 64, False),
    Task("digits, 2 convolutions", pictures, cnn, "adamw", 120, 64, False),
    Task("digits 64-32-10, norms", digits, mlp(64, 32, 1, 10, norm=True), "rmsprop", 250, 64, False),
    Task("rings 2-24-24-24-3", rings, mlp(2, 24, 3, 3), "momentum", 800, 32, False),
    Task("wave 3-32-1", wave, mlp(3, 32, 1, 1), "adamw", 800, 32, False),
    Task("wine 13-16-16-3", wine, mlp(13, 16, 2, 3), "sgd", 200, 32, False),
    Task("sequences, attention again", sequences, Attentive, "adamw", 250, 32, False),
    Task("spirals 2-24-24-24-24-2", spirals, mlp(2, 24, 4, 2), "adam", 500, 32, False),
    Task("blobs 10-32-32-32-6", blobs, mlp(10, 32, 3, 6), "sgd", 800, 32, False),
    Task("diabetes 10-16-16-1", diabetes, mlp(10, 16, 2, 1), "adam", 200, 32, False),
)
