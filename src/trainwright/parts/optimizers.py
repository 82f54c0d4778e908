"""Optimizers: torch's own classes, with the guides' numbers for defaults and the formula each is tested against."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch

from trainwright import defaults
from trainwright.defaults import Default
from trainwright.records import OptimizerSpec, Option


def _rate(number: Default) -> Option:
    return Option(
        default=number.value,
        minimum=0.0,
        maximum=float("inf"),
        meaning="learning rate",
        source=f"{number.source}; {number.disagreement}".rstrip("; "),
        log=True,
        minimum_excluded=True,
    )


def _decay(default: float) -> Option:
    return Option(
        default=default,
        minimum=0.0,
        maximum=float("inf"),
        meaning="weight decay, on weights alone: none on biases, normalisations and embeddings",
        source=f"{defaults.WEIGHT_DECAY.source}; {defaults.WEIGHT_DECAY.disagreement}",
        log=True,
    )


def _coefficient(number: Default) -> Option:
    # A coefficient of 1 never forgets: the average would never leave its start.
    return Option(default=number.value, minimum=0.0, maximum=0.999999, meaning=number.meaning, source=number.source)


_EPSILON = Option(
    default=defaults.ADAM_EPSILON.value,
    minimum=0.0,
    maximum=1.0,
    meaning=defaults.ADAM_EPSILON.meaning,
    source=defaults.ADAM_EPSILON.source,
    log=True,
    minimum_excluded=True,
)
_ADAM = {
    "beta1": _coefficient(defaults.ADAM_BETA1),
    "beta2": _coefficient(defaults.ADAM_BETA2),
    "epsilon": _EPSILON,
}


def _sgd(groups: list[dict], *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay)


def _momentum(groups: list[dict], *, lr: float, weight_decay: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay, momentum=momentum)


def _adam(
    groups: list[dict], *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=epsilon)


def _adamw(
    groups: list[dict], *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=epsilon)


CATALOGUE: Mapping[str, OptimizerSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            OptimizerSpec(
                name="sgd",
                summary="steps straight down the gradient",
                formula="w <- w - eta g",
                factory=_sgd,
                torch_class="SGD",
                options={"lr": _rate(defaults.SGD_LEARNING_RATE), "weight_decay": _decay(0.0)},
                best_for="the baseline; rarely alone",
                reference="G2, chapter 4",
            ),
            OptimizerSpec(
                name="momentum",
                summary="gathers speed along directions that persist (torch's form: the rate outside the velocity)",
                formula="v <- mu v + g; w <- w - eta v",
                factory=_momentum,
                torch_class="SGD",
                options={
                    "lr": _rate(defaults.MOMENTUM_LEARNING_RATE),
                    "weight_decay": _decay(0.0),
                    "momentum": _coefficient(defaults.MOMENTUM),
                },
                best_for="convolutional networks, long runs, when tuned well",
                reference="G2, chapter 5",
            ),
            OptimizerSpec(
                name="adam",
                summary="momentum, and a step length of its own for every parameter; decay as L2 inside the gradient",
                formula="m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; w <- w - eta m^ / (sqrt(v^) + eps)",
                factory=_adam,
                torch_class="Adam",
                options={"lr": _rate(defaults.ADAM_LEARNING_RATE), "weight_decay": _decay(0.0), **_ADAM},
                best_for="quick prototypes",
                reference="G2, chapter 5; Kingma and Ba 2015",
            ),
            OptimizerSpec(
                name="adamw",
                summary="Adam with the weight decay kept out of the gradient: the default",
                formula="Adam's step, and w <- w - eta lambda w",
                factory=_adamw,
                torch_class="AdamW",
                options={
                    "lr": _rate(defaults.ADAM_LEARNING_RATE),
                    "weight_decay": _decay(defaults.WEIGHT_DECAY.value),
                    **_ADAM,
                },
                best_for="almost everything; transformers and fine-tuning above all",
                reference="G3, G4; Loshchilov and Hutter 2019",
            ),
        )
    }
)
