"""Why a model cannot memorise a handful of samples: one small experiment for each suspect, the surest first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainwright.checks.inputs import tensors
from trainwright.checks.stillness import Snapshot, weights
from trainwright.checks.subject import Subject
from trainwright.checks.symmetry import same_units
from trainwright.checks.tiny_batch_experiments import (
    Cause,
    batch_norm,
    capacity,
    output_activation_blocks,
    reaches,
    scaled_inputs,
    scaled_targets,
)
from trainwright.records import Evidence, Location, Remedy
from trainwright.vitals.signal import layer_signals

CUT_SHARE = 0.25
"""Share of the trainable numbers without gradient that can be the cause: an unused head is none."""
SAME = 1e-5
"""Outputs that differ by less than this share of their size are the same for every sample."""
DEAD = 0.9
VANISHED = 1e-6
"""Gradient of the first layer over that of the last, from which even Adam's rounding takes over."""


def find_cause(subject: Subject, x: Any, y: Any, goal: float, contradiction: float, kept: Snapshot) -> Cause:
    """Return the likely cause for which samples `x`, `y` do not come down to the loss `goal`.

    The weights are put back to `kept` between the experiments.
    """
    if contradiction >= 0.5:
        return _contradiction(contradiction)
    suspects: tuple[Callable[[], Cause | None], ...] = (
        lambda: _cut_off(subject, x, y),
        lambda: output_activation_blocks(subject, x, y, goal),
        lambda: _same_units(subject, x, y),
        lambda: _dead_units(subject, x, y),
        lambda: _ignores_input(subject, x, y),
        lambda: _zero_gradient(subject, x, y),
        lambda: scaled_targets(subject, x, y),
        lambda: scaled_inputs(subject, x, y, goal),
        lambda: batch_norm(subject, x, y, goal),
        lambda: _vanishing(subject, x, y),
        lambda: capacity(subject, x, y, goal),
    )
    for suspect in suspects:
        kept.restore()
        cause = suspect()
        if cause is not None:
            return cause
    return Cause(
        name="not found",
        because="none of the usual causes shows: gradients arrive, units live, and the samples can be told apart",
        remedies=(
            Remedy(text="take the network apart: train its last layer alone, then add one layer after the other"),
        ),
        confidence=0.5,
    )


def _contradiction(share: float) -> Cause:
    return Cause(
        name="contradicting labels",
        because="samples with exactly the same input have different targets, so no function can give them all",
        evidence=(
            Evidence(name="share of what there is to learn that contradicts itself", value=share, threshold=0.5),
        ),
        remedies=(Remedy(text="look at how the inputs are read: the same file for every sample, a constant, a mask"),),
    )


def _cut_off(subject: Subject, x: Any, y: Any) -> Cause | None:
    """Find parameters that the graph of the loss does not reach at all: exact."""
    with torch.enable_grad():
        loss = subject.value(x, y)
    trained = weights(subject.model)
    found = torch.autograd.grad(loss, trained, allow_unused=True) if loss.requires_grad else [None] * len(trained)
    missing = [parameter for parameter, gradient in zip(trained, found, strict=True) if gradient is None]
    return _without_gradient(
        subject,
        missing,
        "it is cut off from the loss",
        Remedy(text="look for detach(), .data, no_grad, argmax or a round trip over numpy between it and the loss"),
    )


def _zero_gradient(subject: Subject, x: Any, y: Any) -> Cause | None:
    """Find parameters whose gradient is zero, at the start and after steps as well: a last layer may begin at 0."""
    trained, reached = weights(subject.model), set[int]()
    for _ in range(3):
        with torch.enable_grad():
            found = torch.autograd.grad(subject.value(x, y), trained, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(trained, found, strict=True):
                if gradient is not None and bool((gradient != 0).any()):
                    reached.add(id(parameter))
                    parameter -= 1e-3 * gradient / gradient.norm().clamp_min(1e-12)
    missing = [parameter for parameter in trained if id(parameter) not in reached]
    return _without_gradient(
        subject,
        missing,
        "its gradient is exactly zero",
        Remedy(text="initialise it at random, and look for units before or behind it that are always zero"),
    )


def _without_gradient(subject: Subject, missing: list[nn.Parameter], why: str, remedy: Remedy) -> Cause | None:
    names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
    share = sum(p.numel() for p in missing) / sum(p.numel() for p in weights(subject.model))
    if share < CUT_SHARE:
        return None
    first = next((parameter for parameter in missing if parameter.dim() > 1), missing[0])
    name = names[id(first)]
    return Cause(
        name="no gradient",
        where=Location(parameter=name),
        because=f"{name} cannot learn: {why}" + (f", and so are {len(missing) - 1} others" if len(missing) > 1 else ""),
        evidence=(Evidence(name="share of the trainable numbers without gradient", value=share, threshold=CUT_SHARE),),
        remedies=(remedy,),
    )


def _same_units(subject: Subject, x: Any, y: Any) -> Cause | None:
    names = same_units(replace(subject, x=x, y=y))
    if not names:
        return None
    return Cause(
        name="symmetric weights",
        where=Location(parameter=names[0]),
        because=f"all units of {names[0]} are the same, get the same gradient, and stay the same",
        evidence=(Evidence(name="layers whose units are all the same", value=len(names)),),
        remedies=(Remedy(text="initialise them at random"),),
    )


def _dead_units(subject: Subject, x: Any, y: Any) -> Cause | None:
    signals = layer_signals(subject.model, lambda: subject.value(x, y))
    worst = max(signals, key=lambda signal: signal.dead_fraction, default=None)
    if worst is None or worst.dead_fraction < DEAD:
        return None
    return Cause(
        name="dead units",
        where=Location(module=worst.module),
        because=f"{worst.dead_fraction:.0%} of the units of {worst.module} are always zero: no gradient passes",
        evidence=(Evidence(name=f"dead units of {worst.module}", value=worst.dead_fraction, threshold=DEAD),),
        remedies=(
            Remedy(text="initialise biases with zero and weights after He; scale the inputs; or use a leaky ReLU"),
        ),
    )


def _ignores_input(subject: Subject, x: Any, y: Any) -> Cause | None:
    """Compare the outputs for the samples, after some steps: a last layer may begin at zero."""
    reaches(lambda: subject.value(x, y), weights(subject.model), -math.inf, 1e-3, steps=20)
    with torch.no_grad():
        output = subject.output(x)
    if not isinstance(output, torch.Tensor) or len(output) < 2:
        return None
    if not bool(torch.isfinite(output).all()):
        return _overflow(subject)
    difference = float((output - output[:1]).abs().max())
    size = float(output.abs().max())
    distinct = any(bool((part != part[:1]).any()) for part in tensors(x))
    if not distinct or difference > SAME * max(size, 1e-12):
        return None
    return Cause(
        name="output ignores the input",
        because="the model gives the same output for every sample, so it can learn one answer for all and no more",
        evidence=(Evidence(name="largest difference between outputs", value=difference, threshold=SAME * size),),
        remedies=(
            Remedy(
                text="look for a path that is cut, a softmax over the batch, or units that are all saturated or dead"
            ),
        ),
    )


def _overflow(subject: Subject) -> Cause:
    kinds = {str(parameter.dtype).removeprefix("torch.") for parameter in weights(subject.model)}
    half = "float16" in kinds
    return Cause(
        name="numbers that are not finite",
        because="after some steps of Adam the outputs are not finite"
        + (": in float16 its epsilon of 1e-8 is 0, and it divides by zero" if half else ""),
        evidence=(Evidence(name="type of the weights", value=", ".join(sorted(kinds))),),
        remedies=(
            Remedy(text="keep the weights in float32, and compute in half precision by autocast")
            if half
            else Remedy(text="look for a division, a logarithm or an exponential whose argument can leave its range"),
        ),
    )


def _vanishing(subject: Subject, x: Any, y: Any) -> Cause | None:
    signals = [s for s in layer_signals(subject.model, lambda: subject.value(x, y)) if s.weighted and s.gradient]
    if len(signals) < 3 or signals[0].gradient is None or signals[-1].gradient is None:
        return None
    ratio = signals[0].gradient / signals[-1].gradient
    if ratio > VANISHED:
        return None
    return Cause(
        name="vanishing gradient",
        where=Location(module=signals[0].module),
        because=f"at {signals[0].module} the gradient is {ratio:.1e} of that at {signals[-1].module}",
        evidence=(Evidence(name="gradient of the first layer over the last", value=ratio, threshold=VANISHED),),
        remedies=(Remedy(text="ReLU instead of sigmoid or tanh, residual connections, normalisation"),),
    )
