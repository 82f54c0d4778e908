"""A step length of its own for every parameter: AdaGrad, RMSProp, Adam and what came of them."""

from __future__ import annotations

import torch

from trainwright import defaults
from trainwright.parts.optimizer_options import ADAM as MOMENTS
from trainwright.parts.optimizer_options import EPSILON, Groups, coefficient, decay, passes, rate, said
from trainwright.records import OptimizerSpec, Option


def _adagrad(groups: Groups, *, lr: float, weight_decay: float, epsilon: float) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(groups, lr=lr, weight_decay=weight_decay, eps=epsilon)


def _rmsprop(groups: Groups, *, lr: float, weight_decay: float, decay: float, epsilon: float) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, lr=lr, weight_decay=weight_decay, alpha=decay, eps=epsilon)


def _adam(
    groups: Groups, *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        groups, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=epsilon, **passes(groups)
    )


def _adamw(
    groups: Groups, *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        groups, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=epsilon, **passes(groups)
    )


def _nadam(
    groups: Groups,
    *,
    lr: float,
    weight_decay: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    momentum_decay: float,
) -> torch.optim.Optimizer:
    return torch.optim.NAdam(
        groups,
        lr=lr,
        weight_decay=weight_decay,
        betas=(beta1, beta2),
        eps=epsilon,
        momentum_decay=momentum_decay,
        decoupled_weight_decay=True,
    )


def _radam(
    groups: Groups, *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> torch.optim.Optimizer:
    return torch.optim.RAdam(
        groups, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=epsilon, decoupled_weight_decay=True
    )


def _adafactor(
    groups: Groups, *, lr: float, weight_decay: float, decay_exponent: float, clip: float, least_scale: float
) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(
        groups, lr=lr, weight_decay=weight_decay, beta2_decay=-decay_exponent, d=clip, eps=(None, least_scale)
    )


ADAGRAD = OptimizerSpec(
    name="adagrad",
    summary="divides by the root of all squared gradients so far, so that rare features keep long steps; it slows down "
    "for good; decay as L2 inside the gradient",
    formula="s <- s + g^2; w <- w - eta g / (sqrt(s) + eps)",
    factory=_adagrad,
    torch_class="Adagrad",
    options={"lr": rate(defaults.ADAGRAD_LEARNING_RATE), "weight_decay": decay(), "epsilon": EPSILON},
    best_for="sparse features, such as bags of words; rarely used today",
    reference="G4; Duchi et al. 2011",
)
RMSPROP = OptimizerSpec(
    name="rmsprop",
    summary="divides by the root of a running mean of squared gradients; decay as L2 inside the gradient",
    formula="s <- a s + (1-a) g^2; w <- w - eta g / (sqrt(s) + eps)",
    factory=_rmsprop,
    torch_class="RMSprop",
    options={
        "lr": rate(defaults.RMSPROP_LEARNING_RATE),
        "weight_decay": decay(),
        "decay": coefficient(defaults.RMSPROP_DECAY),
        "epsilon": EPSILON,
    },
    best_for="recurrent networks, historically",
    reference="G2, chapter 5; G4",
)
ADAM = OptimizerSpec(
    name="adam",
    summary="momentum, and a step length of its own for every parameter; decay as L2 inside the gradient",
    formula="m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; w <- w - eta m^ / (sqrt(v^) + eps)",
    factory=_adam,
    torch_class="Adam",
    options={"lr": rate(defaults.ADAM_LEARNING_RATE), "weight_decay": decay(), **MOMENTS},
    best_for="quick prototypes",
    reference="G2, chapter 5; Kingma and Ba 2015",
)
ADAMW = OptimizerSpec(
    name="adamw",
    summary="Adam with the weight decay kept out of the gradient: the default",
    formula="Adam's step, and w <- w - eta lambda w",
    factory=_adamw,
    torch_class="AdamW",
    options={"lr": rate(defaults.ADAM_LEARNING_RATE), "weight_decay": decay(defaults.WEIGHT_DECAY), **MOMENTS},
    best_for="almost everything; transformers and fine-tuning above all",
    reference="G3, G4; Loshchilov and Hutter 2019",
)
NADAM = OptimizerSpec(
    name="nadam",
    summary="Adam that looks ahead as Nesterov's momentum does; decay beside the gradient, as in AdamW",
    formula="mu_t = b1 (1 - 0.96^(t psi) / 2); w <- w - eta (mu_t+1 m / (1 - prod mu) + (1-mu_t) g / (1 - prod mu)) / "
    "(sqrt(v^) + eps), the first product up to t+1, the second up to t",
    factory=_nadam,
    torch_class="NAdam",
    options={
        "lr": rate(defaults.ADAM_LEARNING_RATE),
        "weight_decay": decay(),
        **MOMENTS,
        "momentum_decay": Option(
            default=defaults.NADAM_MOMENTUM_DECAY.value,
            minimum=0.0,
            maximum=1.0,
            meaning=defaults.NADAM_MOMENTUM_DECAY.meaning,
            source=said(defaults.NADAM_MOMENTUM_DECAY),
            log=True,
        ),
    },
    best_for="where Adam is, with steadier gradients",
    reference="Dozat 2016",
)
RADAM = OptimizerSpec(
    name="radam",
    summary="Adam that steps as plain momentum until its mean of squared gradients can be trusted: a warmup of its "
    "own; decay beside the gradient, as in AdamW",
    formula="r = 2/(1-b2) - 1; r_t = r - 2 t b2^t / (1 - b2^t); w <- w - eta m^ while r_t <= 5, then "
    "w <- w - eta m^ sqrt((r_t-4)(r_t-2)r / ((r-4)(r-2)r_t)) sqrt(1-b2^t) / (sqrt(v) + eps)",
    factory=_radam,
    torch_class="RAdam",
    options={"lr": rate(defaults.ADAM_LEARNING_RATE), "weight_decay": decay(), **MOMENTS},
    best_for="runs without a warmup",
    reference="Liu et al. 2020",
)
ADAFACTOR = OptimizerSpec(
    name="adafactor",
    summary="keeps one mean of squared gradients for each row and column alone, and steps by a share of each weight's "
    "size: hardly any memory",
    formula="V = R C / mean(R); U = G / sqrt(V); w <- w - eta lambda w - max(e, rms(w)) min(eta, 1/sqrt(t)) U / "
    "max(1, rms(U)/d)",
    factory=_adafactor,
    torch_class="Adafactor",
    options={
        "lr": rate(defaults.ADAFACTOR_LEARNING_RATE),
        "weight_decay": decay(),
        "decay_exponent": Option(
            default=defaults.ADAFACTOR_DECAY_EXPONENT.value,
            minimum=0.0,
            maximum=1.0,
            meaning=defaults.ADAFACTOR_DECAY_EXPONENT.meaning,
            source=said(defaults.ADAFACTOR_DECAY_EXPONENT),
            minimum_excluded=True,
        ),
        "clip": Option(
            default=defaults.ADAFACTOR_CLIP.value,
            minimum=1.0,
            meaning=defaults.ADAFACTOR_CLIP.meaning,
            source=said(defaults.ADAFACTOR_CLIP),
        ),
        "least_scale": Option(
            default=defaults.ADAFACTOR_LEAST_SCALE.value,
            minimum=0.0,
            maximum=1.0,
            meaning=defaults.ADAFACTOR_LEAST_SCALE.meaning,
            source=said(defaults.ADAFACTOR_LEAST_SCALE),
            log=True,
            minimum_excluded=True,
        ),
    },
    best_for="models whose optimizer would not fit in memory",
    reference="Shazeer and Stern 2018",
)
