"""Members for the tests of the trial array, and what it means for two arrays to have trained alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.parts import losses, optimizers
from trainwright.parts.groups import parameter_groups
from trainwright.parts.schedules import CATALOGUE as SCHEDULES
from trainwright.parts.schedules import fraction_of
from trainwright.stacked.member import Member, TrialArray

STEPS = 50
FEATURES, CLASSES = 6, 3

Network = Callable[[], nn.Module]


def plain() -> nn.Module:
    """Return a small fully connected network."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, CLASSES))


def normalised() -> nn.Module:
    """Return a network with batch normalisation.

    The layers before it have no bias: its gradient would be exactly zero, and the optimizers that divide by its size
    would step by the signs of rounding errors.
    """
    return nn.Sequential(
        nn.Linear(FEATURES, 8, bias=False),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Linear(8, 8, bias=False),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Linear(8, CLASSES),
    )


def member(
    number: int,
    network: Network = plain,
    *,
    optimizer: str = "adamw",
    schedule: str = "constant",
    dtype: torch.dtype = torch.float64,
    **settings: Any,
) -> Member:
    """Return member `number`: its own weights, rate, decay and seed, which follow from the number."""
    torch.manual_seed(number)
    model = network().to(dtype)
    spec = optimizers.CATALOGUE[optimizer]
    options: dict[str, Any] = {name: option.default for name, option in spec.options.items()}
    decay = 0.01 * (1 + number)
    options["lr"] = options["lr"] * (1 + 0.5 * number)
    options["weight_decay"] = decay
    built = spec.factory(parameter_groups(model, decay, lr=options["lr"]), **options)
    shape = SCHEDULES[schedule].factory()
    given: dict[str, Any] = {
        "loss": losses.cross_entropy,
        "rate": lambda step: shape.multiple(fraction_of(step, STEPS)),
        "momentum": lambda step: shape.momentum(fraction_of(step, STEPS)),
        "clip_norm": 0.5,
        "seed": number,
    }
    return Member(model=model, optimizer=built, **{**given, **settings})


def batches(steps: int, *, dtype: torch.dtype = torch.float64, size: int = 16) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the same batches on every call."""
    generator = torch.Generator().manual_seed(11)
    for _ in range(steps):
        x = torch.randn(size, FEATURES, generator=generator, dtype=torch.float64).to(dtype)
        yield x, torch.randint(0, CLASSES, (size,), generator=generator)


def farthest(one: TrialArray, other: TrialArray, ids: Sequence[int] | None = None) -> float:
    """Return the largest difference between the weights and buffers of the rows `ids` in two arrays."""
    worst = 0.0
    for id in one.ids if ids is None else ids:
        first, second = one.model(id).state_dict(), other.model(id).state_dict()
        for name, value in first.items():
            worst = max(worst, float((value.detach() - second[name].detach()).abs().max()))
    return worst
