"""What `speed.py` trains: networks, data, and how the loop is to treat them; the same for every way of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from memory import data, network

Data = tuple[torch.Tensor, torch.Tensor]

RATE, DECAY, CLIP, EMA = 3e-4, 0.01, 1.0, 0.99


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, its data, and the options of its training: AdamW, clipping, and a cosine throughout."""

    name: str
    build: Callable[[], nn.Module]
    samples: int
    batch: int
    make: Callable[[int], Data]
    precision: str = "fp32"
    accumulate: int = 1
    ema: bool = False
    groups: bool = False  # no decay on biases and normalisations
    peers: bool = False  # trained by other libraries too

    @property
    def updates(self) -> int:
        """Updates in an epoch."""
        return -(-(self.samples // self.batch) // self.accumulate)


def small_net() -> nn.Module:
    """Return a network so small, 26 122 parameters, that what surrounds the mathematics shows."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def vectors(count: int) -> Data:
    """Return samples of 64 numbers in ten classes that can be learnt."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 64, generator=generator)
    return x, (x @ torch.randn(64, 10, generator=generator)).argmax(1)


def _net(
    name: str, build: Callable[[], nn.Module], samples: int, batch: int, make: Callable[[int], Data]
) -> list[Case]:
    plain = Case(name=name, build=build, samples=samples, batch=batch, make=make)
    return [plain, Case(name=f"{name} bf16", build=build, samples=samples, batch=batch, make=make, precision="bf16")]


CASES = (
    Case(name="mlp", build=small_net, samples=6400, batch=64, make=vectors, peers=True),
    Case(name="mlp, groups", build=small_net, samples=6400, batch=64, make=vectors, groups=True),
    Case(name="mlp, accumulated", build=small_net, samples=6400, batch=64, make=vectors, accumulate=4),
    Case(name="mlp, averaged", build=small_net, samples=6400, batch=64, make=vectors, ema=True),
    *_net("cnn", lambda: network("cnn"), 256, 32, lambda count: data("cnn", count)),
    *_net("resnet", lambda: network("residual"), 256, 32, lambda count: data("residual", count)),
    *_net("transformer", lambda: network("transformer"), 128, 16, lambda count: data("transformer", count)),
)
"""Each fits into a second or two an epoch on one core."""
