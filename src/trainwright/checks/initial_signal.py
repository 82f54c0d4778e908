"""Is the signal alive before the first step: of one size through all layers, in units that differ and can move?

Sources: G2, chapter 1; G3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.initial_units import dead, flat
from trainwright.checks.inputs import count, rows
from trainwright.checks.stillness import still
from trainwright.checks.subject import Subject
from trainwright.checks.symmetry import same_units
from trainwright.doctor.kinds_model import DEAD_RELU
from trainwright.doctor.kinds_start import (
    ACTIVATIONS_CHANGE_SCALE_WITH_DEPTH,
    NO_NONLINEARITY,
    SATURATED_ACTIVATIONS,
    SYMMETRIC_INITIALISATION,
)
from trainwright.doctor.model_signal import DEPTH_RATIO, GRADIENT, SIGNAL, most_frequent, steady_change
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.vitals.linear_pairs import LinearPair, linear_pairs
from trainwright.vitals.signal import LayerSignal, layer_signals

SAMPLES = 96
"""Of the batch: enough to tell a dead unit from a rare one."""
LEAST_SAMPLES = 32
"""Of fewer samples, a healthy unit is zero for all of them too often."""


def examine(subject: Subject) -> Answer:
    """Pass the batch through and back, and look at every layer and activation."""
    samples = count(subject.x)
    few = replace(subject, x=rows(subject.x, slice(0, SAMPLES)), y=rows(subject.y, slice(0, SAMPLES)))
    with still(subject.model):
        signals = layer_signals(subject.model, few.value)
        pairs = linear_pairs(subject.model, few.output)
        with torch.no_grad():
            output = few.output()
        symmetric = same_units(few)
    if not signals:
        raise Skip("the model has no linear, convolution or activation layer that could be watched")
    findings: list[Finding] = []
    if symmetric:
        findings.append(_symmetric(symmetric))
    if subject.pretrained is not True:
        enough = samples >= LEAST_SAMPLES
        findings += [f for f in (dead(signals) if enough else None, flat(signals)) if f is not None]
        findings += [f for f in (_depth(signals),) if f is not None]
    if pairs:
        findings.append(_linear(pairs))
    stds = [signal.std for signal in _chain(signals) if signal.std > 0]
    measured = {
        "layers": {signal.module: signal.std for signal in signals if signal.weighted},
        "gradients": {signal.module: signal.gradient for signal in signals if signal.weighted},
        "dead": max((signal.dead_fraction for signal in signals), default=0.0),
        "saturated": max((signal.flat_fraction for signal in signals), default=0.0),
    }
    if isinstance(output, torch.Tensor) and output.is_floating_point():
        measured["output_std"] = float(output.double().std(correction=0))
    spread = f"activations {min(stds):.2g} to {max(stds):.2g}" if stds else "no hidden layer"
    return Answer(
        findings=tuple(findings),
        measured=measured,
        value=f"{spread}, dead {measured['dead']:.0%}, saturated {measured['saturated']:.0%}",
        expected=f"within a factor of {DEPTH_RATIO:,.0f}, half dead at most, few saturated",
    )


def _chain(signals: Sequence[LayerSignal]) -> list[LayerSignal]:
    """Return the layers whose sizes are compared."""
    return most_frequent([(signal.kind, signal) for signal in signals if signal.weighted])


def _depth(signals: Sequence[LayerSignal]) -> Finding | None:
    chain = _chain(signals)
    forward = steady_change(SIGNAL, [(signal.module, signal.std) for signal in chain])
    return forward or steady_change(GRADIENT, [(signal.module, signal.gradient or 0.0) for signal in chain])


def _symmetric(names: Sequence[str]) -> Finding:
    more = f", and {len(names) - 1} more" if len(names) > 1 else ""
    return SYMMETRIC_INITIALISATION.finding(
        where=Location(parameter=names[0]),
        evidence=(
            Evidence(name=f"rows of {names[0]}{more} that differ from one another, at the start and later", value=0),
        ),
        remedies=(Remedy(text="initialise it at random: nn.init.kaiming_normal_ for ReLU, xavier_normal_ for tanh"),),
    )


def _linear(pairs: Sequence[LinearPair]) -> Finding:
    pair = pairs[0]
    return NO_NONLINEARITY.finding(
        where=Location(parameter=pair.second),
        evidence=(
            Evidence(name=f"{pair.first} feeds {pair.second} directly; sizes", value=_sizes(pair)),
            *((Evidence(name="such pairs", value=len(pairs)),) if len(pairs) > 1 else ()),
        ),
        remedies=(Remedy(text="put an activation between them (ReLU, GELU), or drop one of both"),),
    )


def _sizes(pair: LinearPair) -> str:
    return f"{pair.inputs} to {pair.between} to {pair.outputs}"


CHECK = Check(
    name="initial-signal",
    question="does the signal get through the network, and the gradient back?",
    kinds=(
        SYMMETRIC_INITIALISATION,
        DEAD_RELU,
        SATURATED_ACTIVATIONS,
        ACTIVATIONS_CHANGE_SCALE_WITH_DEPTH,
        NO_NONLINEARITY,
    ),
    examine=examine,
    quick=True,
    seconds=0.5,
)
