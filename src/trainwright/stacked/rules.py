"""The updates of torch's plain optimizers on all rows at once, with coefficients of each row's own.

Formulas as in torch.optim (2.13), which the tests hold each row to. `weights`, `gradient` and the slots are `(K, n)`,
each coefficient `(K, 1)`; a gradient is used up. `fused` does the same for a single row by torch's own fused
kernel, from weights, gradient, slots and the count of steps, bound once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

Tensors = Mapping[str, torch.Tensor]
Coefficients = Mapping[str, float]
Updater = Callable[[Mapping[str, Any]], None]  # of a row's columns of one group, with that group's options
FusedRow = Callable[[torch.Tensor, torch.Tensor, Tensors, torch.Tensor], Updater]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one class of optimizer updates.

    `slots` are its tensors beside the weights, by torch's names; `counts` says whether its state counts the steps.
    `coefficients` are read from a group; `prepared` makes of them, in float64 `(K, 1)`, what `update` takes. `plain`
    holds the values that other options must have; `decoupled` says that the decay is kept out of the gradient.
    """

    slots: tuple[str, ...]
    counts: bool
    coefficients: Callable[[Mapping[str, Any]], Coefficients]
    update: Callable[[torch.Tensor, torch.Tensor, Tensors, Tensors], None]
    prepared: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] = dict
    plain: Mapping[str, Any] = field(default_factory=dict)
    decoupled: bool = False
    fused: FusedRow | None = None


def _sgd(weights: torch.Tensor, gradient: torch.Tensor, slots: Tensors, c: Tensors) -> None:
    speed = slots["momentum_buffer"]
    speed.mul_(c["momentum"]).add_(gradient)
    weights.addcmul_(speed, -c["lr"])


def _nesterov(weights: torch.Tensor, gradient: torch.Tensor, slots: Tensors, c: Tensors) -> None:
    speed = slots["momentum_buffer"]
    speed.mul_(c["momentum"]).add_(gradient)
    weights.addcmul_(gradient.addcmul_(speed, c["momentum"]), -c["lr"])


def _adagrad(weights: torch.Tensor, gradient: torch.Tensor, slots: Tensors, c: Tensors) -> None:
    total = slots["sum"]
    total.addcmul_(gradient, gradient)
    rate = c["lr"] / (1 + (c["made"] - 1) * c["lr_decay"])
    weights.addcmul_(gradient.div_(total.sqrt().add_(c["eps"])), -rate)


def _rmsprop(weights: torch.Tensor, gradient: torch.Tensor, slots: Tensors, c: Tensors) -> None:
    mean = slots["square_avg"]
    mean.mul_(c["alpha"]).addcmul_(gradient, gradient * (1 - c["alpha"]))
    weights.addcmul_(gradient.div_(mean.sqrt().add_(c["eps"])), -c["lr"])


def _adam(weights: torch.Tensor, gradient: torch.Tensor, slots: Tensors, c: Tensors) -> None:
    mean, square = slots["exp_avg"], slots["exp_avg_sq"]
    mean.lerp_(gradient, c["one less beta1"])
    square.lerp_(gradient.square_(), c["one less beta2"])
    scale = torch.sqrt(square, out=gradient)  # the gradient's memory is free from here on
    scale.div_(c["correction"]).add_(c["eps"])
    weights.addcmul_(torch.div(mean, scale, out=scale), c["step"])


def _adam_prepared(c: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        "one less beta1": 1 - c["beta1"],
        "one less beta2": 1 - c["beta2"],
        "eps": c["eps"],
        "correction": (1 - c["beta2"] ** c["made"]).sqrt(),
        "step": -c["lr"] / (1 - c["beta1"] ** c["made"]),
    }


def _fused_adam(kernel: Callable[..., None]) -> FusedRow:
    def row(weights: torch.Tensor, gradient: torch.Tensor, slots: Tensors, made: torch.Tensor) -> Updater:
        tensors = [weights], [gradient], [slots["exp_avg"]], [slots["exp_avg_sq"]], [], [made]

        def update(group: Mapping[str, Any]) -> None:
            beta1, beta2 = group["betas"]
            kernel(
                *tensors,
                lr=float(group["lr"]),
                beta1=beta1,
                beta2=beta2,
                weight_decay=float(group["weight_decay"]),
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

        return update

    return row


def _fused_sgd(nesterov: bool) -> FusedRow:
    def row(weights: torch.Tensor, gradient: torch.Tensor, slots: Tensors, made: torch.Tensor) -> Updater:
        tensors, speed = ([weights], [gradient]), [slots["momentum_buffer"]]

        def update(group: Mapping[str, Any]) -> None:
            # The speed starts from zeros, which gives what a first step would: mu 0 + g.
            torch._fused_sgd_(
                *tensors,
                speed if group["momentum"] else [],
                weight_decay=float(group["weight_decay"]),
                momentum=group["momentum"],
                lr=float(group["lr"]),
                dampening=0.0,
                nesterov=nesterov,
                maximize=False,
                is_first_step=False,
            )

        return update

    return row


def _betas(group: Mapping[str, Any]) -> Coefficients:
    return {"beta1": group["betas"][0], "beta2": group["betas"][1], "eps": group["eps"]}


_STANDARD = {"maximize": False, "differentiable": False}
_ADAM = Rule(
    slots=("exp_avg", "exp_avg_sq"),
    counts=True,
    coefficients=_betas,
    update=_adam,
    prepared=_adam_prepared,
    plain={**_STANDARD, "amsgrad": False, "capturable": False, "decoupled_weight_decay": False},
    fused=_fused_adam(torch._fused_adam_),
)
_ADAMW = replace(
    _ADAM,
    plain={**_ADAM.plain, "decoupled_weight_decay": True},
    decoupled=True,
    fused=_fused_adam(torch._fused_adamw_),
)
_SGD = Rule(
    slots=("momentum_buffer",),
    counts=False,
    coefficients=lambda group: {"momentum": group["momentum"]},
    update=_sgd,
    plain={**_STANDARD, "dampening": 0, "nesterov": False},
    fused=_fused_sgd(False),
)
_NESTEROV = replace(_SGD, update=_nesterov, plain={**_SGD.plain, "nesterov": True}, fused=_fused_sgd(True))
_ADAGRAD = Rule(
    slots=("sum",),
    counts=True,
    coefficients=lambda group: {"eps": group["eps"], "lr_decay": group["lr_decay"]},
    update=_adagrad,
    plain=_STANDARD,
)
_RMSPROP = Rule(
    slots=("square_avg",),
    counts=True,
    coefficients=lambda group: {"eps": group["eps"], "alpha": group["alpha"]},
    update=_rmsprop,
    plain={**_STANDARD, "centered": False, "momentum": 0, "capturable": False},
)
_RULES: Mapping[type, tuple[Rule, ...]] = {
    torch.optim.SGD: (_SGD, _NESTEROV),
    torch.optim.Adam: (_ADAM,),
    torch.optim.AdamW: (_ADAMW,),
    torch.optim.Adagrad: (_ADAGRAD,),
    torch.optim.RMSprop: (_RMSPROP,),
}


def rule_of(optimizer: torch.optim.Optimizer) -> Rule | None:
    """Return how all rows with such an optimizer are updated at once; None where only `RowViews` can do it."""
    for rule in _RULES.get(type(optimizer), ()):
        if all(group.get(name) == value for group in optimizer.param_groups for name, value in rule.plain.items()):
            return rule
    return None
