"""Backwards of one's own with a planted fault, each with its fixed twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from checks_cases import Case
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of


class Scaled(torch.autograd.Function):
    """`x @ w.T + b` by hand; `factor` (of w's gradient, of x's, of b's) is where the faults go."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, factors: tuple[float, ...]
    ) -> torch.Tensor:
        ctx.save_for_backward(x, w)
        ctx.factors = factors
        return x @ w.T + b

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> Any:
        x, w = ctx.saved_tensors
        of_w, of_x, of_b = ctx.factors
        return of_x * given[0] @ w, of_w * given[0].T @ x, of_b * given[0].sum(0), None


class Swish(torch.autograd.Function):
    """`x * sigmoid(x)` by hand; without its `second` term the derivative is that of a gate held fast."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, second: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.second = second
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> Any:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return given[0] * (gate + ctx.second * x * gate * (1 - gate)), None


class Handmade(nn.Module):
    """Two layers, of which the first and its activation have backwards of their own."""

    def __init__(self, *, factors: tuple[float, ...] = (1.0, 1.0, 1.0), second: float = 1.0) -> None:
        super().__init__()
        self.before = nn.Linear(6, 8)
        self.weight = nn.Parameter(torch.randn(10, 8) / 3)
        self.bias = nn.Parameter(torch.zeros(10))
        self.head = nn.Linear(10, 3)
        self.factors, self.second = factors, second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = Scaled.apply(torch.tanh(self.before(x)), self.weight, self.bias, self.factors)
        return self.head(Swish.apply(hidden, self.second))


def made(**faults: Any) -> Callable[[], Subject]:
    """Return a function that builds the subject with `faults`."""

    def build() -> Subject:
        with isolated(4, "gradients"):
            x, y = torch.randn(64, 6), torch.randint(0, 3, (64,))
            model = Handmade(**faults)
            return subject_of(model, F.cross_entropy, (x, y), optimizer=torch.optim.Adam(model.parameters(), lr=1e-3))

    return build


def _case(name: str, kind: str = "gradient-wrong", **faults: Any) -> Case:
    return Case(name=name, check="gradients", kind=kind, sick=made(**faults), fixed=made())


CASES = [
    _case("backward one per cent off", factors=(1.01, 1.0, 1.0)),
    _case("backward with the wrong sign", factors=(1.0, -1.0, 1.0)),
    _case("backward without its second term", second=0.0),
    _case("backward wrong for the bias alone", factors=(1.0, 1.0, 0.5)),
    _case("backward with a constant of four digits", kind="gradient-suspect", factors=(1.0001, 1.0, 1.0)),
]
