"""Does the output depend on the input?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.inputs import mapped, tensors
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import (
    as_in_training,
    at_least,
    few,
    gradients,
    loss_of,
    output_of,
    scalar,
    single,
)
from trainwright.doctor.kinds_wiring import OUTPUTS_IGNORE_INPUT
from trainwright.records import Evidence, Finding, Remedy
from trainwright.tensors import evaluating

SMALLEST = 1e-5
"""Variation of the output over samples, of its own size. Measured at torch's own initialisation, 4 seeds each: 5e-1 for
two layers, 7e-4 for 10 of ReLU, 4e-5 for 10 of GELU and 3e-5 for 6 of sigmoid, all of which train; 1e-7 for 10 of
sigmoid, which do not."""
_LARGEST_SCALE = 10.0  # an output around 10 000 is an offset that was chosen: no reason to demand more variation
_LOOKS = 8  # steps: a head, a gate and a branch at zero free themselves one after the other
_STEP = 0.03  # of a tensor's size, by sign, as Adam steps: it opens 20 layers of ReLU, which train with Adam alone


def examine(subject: Subject) -> Answer:
    """Compare outputs over samples, in evaluation mode; where they hardly differ, again after steps of training."""
    at_least(subject, 2)
    x, y = few(subject)
    if all(bool((tensor == tensor[:1]).all()) for tensor in tensors(x)):
        raise Skip("all inputs of the batch are alike")
    first = _variation(subject, x)
    variation, steps = first, 0
    parameters = [parameter for parameter in subject.model.parameters() if parameter.requires_grad]
    while variation < SMALLEST and steps < _LOOKS and parameters:
        _train(subject, x, y, parameters)
        variation, steps = _variation(subject, x), steps + 1
    alive = variation >= SMALLEST
    idle = _without_effect(subject, x) if alive else []
    while idle and steps < _LOOKS and parameters:  # a branch that begins closed opens within some steps
        _train(subject, x, y, parameters)
        idle, steps = [name for name in _without_effect(subject, x) if name in idle], steps + 1
    measured = {
        "variation": first,
        "variation_after_steps": variation,
        "steps": steps,
        "inputs_without_effect": ", ".join(idle) if alive else "all",
    }
    text, expected = f"varies by {variation:.2g} of its size", f"above {SMALLEST:g}"
    if alive:
        said = f"; without effect: {', '.join(idle)}" if idle else ""
        findings = (_ignored(idle, steps),) if idle else ()
        return Answer(findings=findings, measured=measured, value=text + said, expected=expected)
    finding = OUTPUTS_IGNORE_INPUT.finding(
        evidence=(
            Evidence(name="variation of the output over samples, of its size", value=first, threshold=SMALLEST),
            Evidence(name=f"the same after {steps} steps", value=variation, threshold=SMALLEST),
        ),
        remedies=(Remedy(text="follow one sample through the layers: somewhere all samples become alike"),),
    )
    return Answer(findings=(finding,), measured=measured, value=text, expected=expected)


def _ignored(names: Sequence[str], steps: int) -> Finding:
    """Name inputs that change nothing: batches often carry more than a model takes, so it is a note."""
    one = len(names) == 1
    return OUTPUTS_IGNORE_INPUT.finding(
        severity="note",
        title=f"{', '.join(names)} {'has' if one else 'have'} no effect on the output",
        evidence=(
            Evidence(name="inputs that differ between samples, and change no bit of the output", value=len(names)),
            Evidence(name="looked at again after steps", value=steps),
        ),
        because=f"with {'its' if one else 'their'} values handed to other samples, every output stays what it was",
        remedies=(Remedy(text=f"use {'it' if one else 'them'} in `forward`, or leave {'it' if one else 'them'} out"),),
    )


def _train(subject: Subject, x: Any, y: Any, parameters: Sequence[nn.Parameter]) -> None:
    as_in_training(subject.model)
    with torch.enable_grad():
        _step(parameters, gradients(scalar(loss_of(subject, x, y)), parameters))


def _step(parameters: Sequence[nn.Parameter], found: Sequence[torch.Tensor | None]) -> None:
    """Move each entry against the sign of its gradient."""
    with torch.no_grad():
        for parameter, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                gradient = gradient.to_dense() if gradient.is_sparse else gradient
                size = float(parameter.abs().max()) + _STEP if parameter.numel() else 0.0
                parameter.sub_(torch.sgn(gradient), alpha=_STEP * size)


def _variation(subject: Subject, x: Any) -> float:
    """Return the largest deviation of an output from its mean over samples, over the size of the outputs."""
    with evaluating(subject.model):
        found = [tensor for tensor in single(output_of(subject, x)) if tensor.is_floating_point() and tensor.dim()]
    samples = len(tensors(x)[0])
    found = [tensor.detach().double() for tensor in found if tensor.shape[0] % samples == 0 and tensor.numel()]
    if not found:
        raise Skip("the output has no axis of samples")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in found):
        raise Skip("the output is not finite")
    worst = 0.0
    for tensor in found:
        by_sample = tensor.reshape(samples, -1)
        scale = min(float(by_sample.abs().max()), _LARGEST_SCALE)
        deviation = float((by_sample - by_sample.mean(0)).abs().max())
        worst = max(worst, deviation / scale if scale > 0 else 0.0)
    return worst


def _without_effect(subject: Subject, x: Any) -> list[str]:
    """Return which of several inputs change nothing when they are handed to other samples, though they differ."""
    parts = tensors(x)
    if len(parts) < 2:
        return []
    names = [str(name) for name in x] if isinstance(x, dict) else [f"input {place}" for place in range(len(parts))]
    with evaluating(subject.model):
        before = single(output_of(subject, x))
        found = []
        for place, part in enumerate(parts):
            seen = iter(range(len(parts)))
            rolled = mapped(
                x, lambda tensor, place=place, seen=seen: tensor.roll(1, 0) if next(seen) == place else tensor
            )
            same = all(torch.equal(a, b) for a, b in zip(before, single(output_of(subject, rolled)), strict=True))
            if same and not torch.equal(part, part.roll(1, 0)):
                found.append(names[place] if place < len(names) else f"input {place}")
    return found


CHECK = Check(
    name="input-matters",
    question="does the output depend on the input?",
    kinds=(OUTPUTS_IGNORE_INPUT,),
    examine=examine,
    quick=True,
    seconds=0.05,
)
