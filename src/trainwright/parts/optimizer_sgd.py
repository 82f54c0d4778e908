"""Descent along the gradient, plain and with the three forms of momentum."""

from __future__ import annotations

from collections.abc import Callable

import torch

from trainwright import defaults
from trainwright.errors import UsageError
from trainwright.parts.optimizer_options import Groups, coefficient, decay, rate
from trainwright.records import OptimizerSpec


class ClassicalMomentum(torch.optim.Optimizer):
    """Momentum with the rate inside the velocity: v <- mu v - eta (g + lambda w); w <- w + v (G2, chapter 5).

    torch's SGD keeps the rate outside, v <- mu v + g; w <- w - eta v. At a constant rate both make the same steps. When
    the rate falls, torch's form slows at once, and this one goes on at the speed that it has gathered until momentum
    has worn it off.

    `groups` are parameters or groups of them with `lr`, `momentum` in [0, 1) and `weight_decay` of their own where they
    have such. A parameter without a gradient is left alone. Raises `UsageError` on sparse gradients.
    """

    def __init__(self, groups: Groups, *, lr: float, momentum: float, weight_decay: float = 0.0) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], torch.Tensor] | None = None) -> torch.Tensor | None:  # type: ignore[override]
        """Make one step; returns the closure's loss where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            gradients = [weight.grad for weight in weights]
            refuse_sparse(gradients, "classical_momentum")
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight]["velocity"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
            velocities = [self.state[weight]["velocity"] for weight in weights]
            if group["weight_decay"]:
                gradients = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, gradients, alpha=-group["lr"])
            torch._foreach_add_(weights, velocities)
        return loss


def refuse_sparse(gradients: list[torch.Tensor], name: str) -> None:
    """Raise `UsageError` where a gradient is sparse, which optimizer `name` cannot follow."""
    if any(gradient.is_sparse for gradient in gradients):
        raise UsageError(
            f"{name} cannot follow sparse gradients",
            evidence="an embedding with sparse=True gives such",
            remedy="make the embedding with sparse=False, or train with 'sgd' or 'adagrad'",
        )


def _sgd(groups: Groups, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay)


def _momentum(groups: Groups, *, lr: float, weight_decay: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay, momentum=momentum)


def _nesterov(groups: Groups, *, lr: float, weight_decay: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=True)


SGD = OptimizerSpec(
    name="sgd",
    summary="steps straight down the gradient",
    formula="w <- w - eta g",
    factory=_sgd,
    torch_class="SGD",
    options={"lr": rate(defaults.SGD_LEARNING_RATE), "weight_decay": decay()},
    best_for="the baseline; rarely alone",
    reference="G2, chapter 4",
)
MOMENTUM = OptimizerSpec(
    name="momentum",
    summary="gathers speed along directions that persist (torch's form: the rate outside the velocity)",
    formula="v <- mu v + g; w <- w - eta v",
    factory=_momentum,
    torch_class="SGD",
    options={
        "lr": rate(defaults.MOMENTUM_LEARNING_RATE),
        "weight_decay": decay(),
        "momentum": coefficient(defaults.MOMENTUM),
    },
    best_for="convolutional networks, long runs, when tuned well",
    reference="G2, chapter 5",
)
NESTEROV = OptimizerSpec(
    name="nesterov",
    summary="momentum that looks ahead: the gradient is taken where the velocity is about to lead",
    formula="v <- mu v + g; w <- w - eta (g + mu v), w being the point looked ahead to",
    factory=_nesterov,
    torch_class="SGD",
    options={
        "lr": rate(defaults.MOMENTUM_LEARNING_RATE),
        "weight_decay": decay(),
        "momentum": coefficient(defaults.MOMENTUM, positive=True),
    },
    best_for="where momentum is, with less overshooting",
    reference="G2, chapter 5; Sutskever et al. 2013",
)
CLASSICAL_MOMENTUM = OptimizerSpec(
    name="classical_momentum",
    summary="momentum as the guides write it: the rate inside the velocity, which a falling rate does not slow at once",
    formula="v <- mu v - eta g; w <- w + v",
    factory=ClassicalMomentum,
    torch_class="",
    options={
        "lr": rate(defaults.MOMENTUM_LEARNING_RATE),
        "weight_decay": decay(),
        "momentum": coefficient(defaults.MOMENTUM),
    },
    best_for="reproducing results of programs that keep the rate inside, such as Keras",
    reference="G2, chapter 5",
)
