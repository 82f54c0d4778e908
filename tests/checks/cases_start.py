"""Planted faults that show before the first step, each beside its fixed twin: loss, penalty, signal and rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from checks_cases import Case
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.parts.penalties import Penalty
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of

Make = Callable[[], Subject]


def made(build: Callable[[], Subject]) -> Make:
    """Return `build` with randomness of its own, so that both twins get the same data and weights."""

    def make() -> Subject:
        with isolated(7, "cases"):
            return build()

    return make


def classes(samples: int = 128, features: int = 8, number: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(samples) % number
    return 1.5 * torch.randn(number, features)[y] + torch.randn(samples, features), y


def values(samples: int = 128, features: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(samples, features)
    return x, (x @ torch.randn(features, 1)).sin() + 0.1 * torch.randn(samples, 1)


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def filled(model: nn.Sequential, fill: Callable[[torch.Tensor], Any], layers: slice = slice(None)) -> nn.Sequential:
    """Fill the weights of the linear layers, biases with zero."""
    for layer in [module for module in model if isinstance(module, nn.Linear)][layers]:
        fill(layer.weight)
        nn.init.zeros_(layer.bias)
    return model


def logarithm(floor: float) -> Subject:
    class Logarithm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(8, 16, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.body(x).relu() + floor).log() / 8

    return subject_of(Logarithm(), "cross_entropy", classes())


def optimized(model: nn.Module, name: str = "AdamW", **options: Any) -> torch.optim.Optimizer:
    return getattr(torch.optim, name)(model.parameters(), **options)


# The loss before the first step


def large_logits(scale: float) -> Subject:
    model = filled(mlp(8, 32, 4), lambda weight: nn.init.normal_(weight, std=scale))
    return subject_of(model, "cross_entropy", classes())


def large_values(scale: float) -> Subject:
    model = filled(mlp(6, 32, 1), lambda weight: nn.init.normal_(weight, std=scale))
    return subject_of(model, "mse", values())


class Skipping(nn.Module):
    """A network that adds the last columns of its input to its output."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(12, 16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + 3 * x[:, 8:]


def answer_in_the_input(*, shifted: bool) -> Subject:
    x, y = classes()
    told = nn.functional.one_hot(y.roll(1) if shifted else y, 4).float()
    return subject_of(Skipping(), "cross_entropy", (torch.cat((x, told), 1), y))


def not_reset(*, fresh: bool) -> Subject:
    x, y = classes()
    model = mlp(8, 32, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(0 if fresh else 60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    optimizer.zero_grad()
    return dataclasses.replace(subject_of(model, "cross_entropy", (x, y)), pretrained=False)


# The penalty


def detached_penalty(*, detach: bool) -> Subject:
    model = mlp(8, 32, 4)
    penalty = Penalty(model, l2=1e-3)
    subject = subject_of(model, "cross_entropy", classes())
    return dataclasses.replace(subject, penalty=(lambda: penalty().detach()) if detach else penalty)


class NeverDecays(torch.optim.SGD):
    """An optimizer that takes a weight decay and forgets it."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            group["weight_decay"] = 0.0
        super().step(closure)
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay


def forgotten_decay(kind: type[torch.optim.SGD]) -> Subject:
    model = mlp(8, 32, 4)
    return subject_of(model, "cross_entropy", classes(), optimizer=kind(model.parameters(), lr=0.1, weight_decay=1e-2))


def rounded_decay(dtype: torch.dtype) -> Subject:
    model = mlp(8, 32, 4).to(dtype)
    x, y = classes()
    return subject_of(model, "cross_entropy", (x.to(dtype), y), optimizer=optimized(model, lr=1e-3, weight_decay=0.01))


# The signal


def equal_units(fill: Callable[[torch.Tensor], Any] | None, layers: slice = slice(None)) -> Subject:
    model = mlp(8, 32, 16, 4)
    if fill is not None:
        filled(model, fill, layers)
    return subject_of(model, "cross_entropy", classes())


def all_equal(weight: torch.Tensor) -> None:
    nn.init.constant_(weight, 0.1)


def recurrent_constant(*, constant: bool) -> Subject:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = nn.GRU(4, 12, batch_first=True), nn.Linear(12, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.cells(x)[0][:, -1])

    model = Net()
    if constant:
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.1)
    return subject_of(model, "cross_entropy", (torch.randn(64, 6, 4), torch.arange(64) % 3))


def buried(bias: float) -> Subject:
    model = mlp(8, 32, 32, 4)
    nn.init.constant_(model[0].bias, bias)  # type: ignore[arg-type]
    return subject_of(model, "cross_entropy", classes())


def flat(activation: type[nn.Module], scale: float) -> Subject:
    model = mlp(8, 32, 32, 4, activation=activation)
    filled(model, lambda weight: nn.init.normal_(weight, std=scale), slice(0, 1))
    return subject_of(model, "cross_entropy", classes())


def deep(fill: Callable[[torch.Tensor], Any], activation: type[nn.Module] = nn.ReLU) -> Subject:
    model = filled(mlp(8, *[32] * 8, 4, activation=activation), fill)
    return subject_of(model, "cross_entropy", classes())


def forgotten_activation(*, there: bool) -> Subject:
    middle: list[nn.Module] = [nn.Flatten(), nn.Dropout(0.1)]
    model = nn.Sequential(nn.Linear(8, 32), *([nn.ReLU()] if there else []), *middle, nn.Linear(32, 4))
    return subject_of(model, "cross_entropy", classes())


def forgotten_between_convolutions(*, there: bool) -> Subject:
    between: list[nn.Module] = [nn.BatchNorm2d(8), *([nn.ReLU()] if there else [])]
    layers = [nn.Conv2d(1, 8, 3), *between, nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3)]
    return subject_of(nn.Sequential(*layers), "cross_entropy", (torch.randn(64, 1, 8, 8), torch.arange(64) % 3))


# The rate


def stepping(name: str, rate: float, **options: Any) -> Subject:
    model = mlp(8, 32, 32, 4)
    return subject_of(model, "cross_entropy", classes(), optimizer=optimized(model, name, lr=rate, **options))


CASES: list[Case] = [
    Case(name=name, check=check, kind=kind, sick=made(sick), fixed=made(fixed))
    for name, check, kind, sick, fixed in (
        (
            "weights ten times too large",
            "initial-loss",
            "initial-loss-too-high",
            lambda: large_logits(2.0),
            lambda: large_logits(0.2),
        ),
        (
            "outputs far beyond the targets",
            "initial-loss",
            "initial-loss-too-high",
            lambda: large_values(4.0),
            lambda: large_values(0.2),
        ),
        (
            "the class is among the inputs",
            "initial-loss",
            "initial-loss-too-low",
            lambda: answer_in_the_input(shifted=False),
            lambda: answer_in_the_input(shifted=True),
        ),
        (
            "weights of the run before",
            "initial-loss",
            "initial-loss-too-low",
            lambda: not_reset(fresh=False),
            lambda: not_reset(fresh=True),
        ),
        (
            "a logarithm of nothing",
            "initial-loss",
            "non-finite-loss",
            lambda: logarithm(0.0),
            lambda: logarithm(1e-3),
        ),
        (
            "detached penalty",
            "penalty",
            "penalty-inert",
            lambda: detached_penalty(detach=True),
            lambda: detached_penalty(detach=False),
        ),
        (
            "optimizer that forgets its decay",
            "penalty",
            "penalty-inert",
            lambda: forgotten_decay(NeverDecays),
            lambda: forgotten_decay(torch.optim.SGD),
        ),
        (
            "decay below the last bit of bfloat16",
            "penalty",
            "penalty-inert",
            lambda: rounded_decay(torch.bfloat16),
            lambda: rounded_decay(torch.float32),
        ),
        (
            "all weights zero",
            "initial-signal",
            "symmetric-initialisation",
            lambda: equal_units(nn.init.zeros_),
            lambda: equal_units(None),
        ),
        (
            "hidden layers constant",
            "initial-signal",
            "symmetric-initialisation",
            lambda: equal_units(all_equal, slice(0, 2)),
            lambda: equal_units(nn.init.zeros_, slice(2, 3)),
        ),
        (
            "recurrent weights constant",
            "initial-signal",
            "symmetric-initialisation",
            lambda: recurrent_constant(constant=True),
            lambda: recurrent_constant(constant=False),
        ),
        (
            "tanh on its flat ends",
            "initial-signal",
            "saturated-activations",
            lambda: flat(nn.Tanh, 100.0),
            lambda: flat(nn.Tanh, 0.3),
        ),
        (
            "sigmoid on its flat ends",
            "initial-signal",
            "saturated-activations",
            lambda: flat(nn.Sigmoid, 200.0),
            lambda: flat(nn.Sigmoid, 0.3),
        ),
        (
            "weights of 0.01 in a deep network",
            "initial-signal",
            "activations-change-scale-with-depth",
            lambda: deep(lambda weight: nn.init.normal_(weight, std=0.01)),
            lambda: deep(nn.init.kaiming_normal_),
        ),
        (
            "weights of 1 in a deep network",
            "initial-signal",
            "activations-change-scale-with-depth",
            lambda: deep(lambda weight: nn.init.normal_(weight, std=1.0)),
            lambda: deep(nn.init.kaiming_normal_),
        ),
        (
            "sigmoids eight deep",
            "initial-signal",
            "activations-change-scale-with-depth",
            lambda: deep(nn.init.xavier_normal_, nn.Sigmoid),
            lambda: deep(nn.init.xavier_normal_, nn.Tanh),
        ),
        (
            "no activation between two layers",
            "initial-signal",
            "no-nonlinearity",
            lambda: forgotten_activation(there=False),
            lambda: forgotten_activation(there=True),
        ),
        (
            "no activation between convolutions",
            "initial-signal",
            "no-nonlinearity",
            lambda: forgotten_between_convolutions(there=False),
            lambda: forgotten_between_convolutions(there=True),
        ),
        (
            "gradient descent at 30",
            "learning-rate",
            "learning-rate-too-high",
            lambda: stepping("SGD", 30.0),
            lambda: stepping("SGD", 0.1),
        ),
        (
            "Adam at 30",
            "learning-rate",
            "learning-rate-too-high",
            lambda: stepping("Adam", 30.0),
            lambda: stepping("Adam", 1e-3),
        ),
        (
            "Adam at 1e-8",
            "learning-rate",
            "learning-rate-too-low",
            lambda: stepping("Adam", 1e-8),
            lambda: stepping("Adam", 1e-3),
        ),
        (
            "a rate of zero",
            "learning-rate",
            "learning-rate-too-low",
            lambda: stepping("SGD", 0.0),
            lambda: stepping("SGD", 0.1),
        ),
        ("biases of minus ten", "initial-signal", "dead-relu", lambda: buried(-10.0), lambda: buried(0.0)),
    )
]
