"""Lion: every weight steps by the rate, up or down, and one mean of the gradients is all the memory it needs."""

from __future__ import annotations

from collections.abc import Callable

import torch

from trainwright import defaults
from trainwright.parts.optimizer_options import coefficient, decay, rate
from trainwright.parts.optimizer_sgd import refuse_sparse
from trainwright.records import OptimizerSpec


class Lion(torch.optim.Optimizer):
    """Evolved sign momentum (Chen et al. 2023, algorithm 2).

    c <- b1 m + (1-b1) g; w <- w - eta (sign(c) + lambda w); m <- b2 m + (1-b2) g, with m zero at first.

    `groups` are parameters or groups of them with `lr`, `betas` (each in [0, 1)) and `weight_decay` of their own where
    they have such. A parameter without a gradient is left alone; where c is exactly 0, only the decay moves a weight.
    Raises `UsageError` on sparse gradients.
    """

    def __init__(self, groups: list[dict], *, lr: float, betas: tuple[float, float], weight_decay: float = 0.0) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

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
            refuse_sparse(gradients, "lion")
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight]["mean"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
            means = [self.state[weight]["mean"] for weight in weights]
            beta1, beta2 = group["betas"]
            directions = torch._foreach_lerp(means, gradients, 1 - beta1)
            torch._foreach_sign_(directions)
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(weights, directions, alpha=-group["lr"])
            torch._foreach_lerp_(means, gradients, 1 - beta2)
        return loss


def _lion(groups: list[dict], *, lr: float, weight_decay: float, beta1: float, beta2: float) -> torch.optim.Optimizer:
    return Lion(groups, lr=lr, betas=(beta1, beta2), weight_decay=weight_decay)


LION = OptimizerSpec(
    name="lion",
    summary="steps by the sign of a running mean: half of Adam's memory, at a smaller rate and a larger decay",
    formula="c <- b1 m + (1-b1) g; w <- w - eta (sign(c) + lambda w); m <- b2 m + (1-b2) g",
    factory=_lion,
    torch_class="",
    options={
        "lr": rate(defaults.LION_LEARNING_RATE),
        "weight_decay": decay(defaults.LION_WEIGHT_DECAY),
        "beta1": coefficient(defaults.LION_BETA1),
        "beta2": coefficient(defaults.LION_BETA2),
    },
    best_for="large models and large batches",
    reference="Chen et al. 2023",
)
