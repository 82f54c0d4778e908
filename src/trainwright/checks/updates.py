"""Does every parameter that is to learn move at a step, and is it in the optimizer exactly once?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.membership import judge_membership
from trainwright.checks.stepping import STEPS, rates_of, unmoved
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import (
    as_in_training,
    few,
    gradients,
    leaves,
    listed,
    loss_of,
    output_of,
    owner_of,
    scalar,
    short,
)
from trainwright.doctor.kinds_numbers import BF16_UPDATES_LOST
from trainwright.doctor.kinds_wiring import PARAMETERS_FROZEN, PARAMETERS_NOT_IN_OPTIMIZER, WEIGHTS_NEVER_UPDATED
from trainwright.records import Evidence, Finding, Location, Remedy


def examine(subject: Subject) -> Answer:
    """Exact: identity of parameters, and their bits before and after steps of the optimizer."""
    named = dict(subject.model.named_parameters())
    trainable = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    frozen = [name for name in named if name not in trainable]
    if not named:
        return _without_any(subject)
    if not trainable:
        return Answer(findings=(_all_frozen(named),), value=f"0 of {len(named)} trainable", expected="at least one")
    as_in_training(subject.model)
    x, y = few(subject)
    value = scalar(loss_of(subject, x, y))
    found = dict(zip(trainable, gradients(value, list(trainable.values())), strict=True))
    reached = {name: parameter for name, parameter in trainable.items() if found[name] is not None}
    alive = {name: parameter for name, parameter in reached.items() if _any(found[name])}
    if not alive:
        raise Skip("no parameter gets a gradient, so none is expected to move")
    last = _last_layer(subject, x, named)
    findings = [] if subject.optimizer is None else judge_membership(subject, named, reached, last)
    held = _held(subject.optimizer) if subject.optimizer is not None else {id(p) for p in named.values()}
    expected = {name: parameter for name, parameter in alive.items() if id(parameter) in held}
    rates = rates_of(subject.optimizer)
    still, rounded = unmoved(subject, x, y, expected, found)
    if still:
        findings.append(_never_updated(subject, still, len(expected), rates))
    coarse = [name for name in rounded if expected[name].dtype in (torch.bfloat16, torch.float16)]
    if len(coarse) > 0.5 * len(expected):
        findings.append(_lost(subject, coarse, len(expected)))
    elif rounded and len(rounded) == len(expected):
        findings.append(_too_short(subject, rounded, rates))
    moved = len(expected) - len(still) - len(rounded)
    return Answer(
        findings=tuple(findings),
        measured={
            "trainable": len(trainable),
            "with_gradient": len(alive),
            "in_optimizer": len(expected) if subject.optimizer is not None else "no optimizer was given",
            "moved": moved,
            "lost_in_rounding": ", ".join(short(subject.model, rounded)),
            "frozen": ", ".join(short(subject.model, frozen)),
        },
        value=f"{moved} of {len(alive)} moved"
        + (f", {len(rounded)} by less than their last digit" if rounded else "")
        + (f"; frozen: {listed(short(subject.model, frozen))}" if frozen else ""),
        expected="all that have a gradient" + (", unless the rate is tiny on purpose" if rounded else ""),
    )


def _any(gradient: torch.Tensor | None) -> bool:
    if gradient is None:
        return False
    return bool((gradient.coalesce().values() if gradient.is_sparse else gradient).any())


def _held(optimizer: torch.optim.Optimizer) -> set[int]:
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}


def _last_layer(subject: Subject, x: Any, named: Mapping[str, nn.Parameter]) -> str:
    """Return the path of the module whose parameter lies nearest to the output in the graph."""
    names = {id(parameter): name for name, parameter in named.items()}
    nearest = next((names[id(leaf)] for leaf in leaves(output_of(subject, x)) if id(leaf) in names), "")
    return owner_of(nearest)


def _without_any(subject: Subject) -> Answer:
    """Return a finding, unless the loss leads to weights all the same: its own, or some that are not registered."""
    as_in_training(subject.model)
    value = loss_of(subject, *few(subject))
    if isinstance(value, torch.Tensor) and value.requires_grad:
        raise Skip("the model has no registered parameter; what learns is held elsewhere")
    finding = PARAMETERS_FROZEN.finding(
        title="the model has no parameters",
        evidence=(Evidence(name="parameters of the model", value=0, threshold=1),),
        because="without a single parameter there is nothing to train",
        remedies=(Remedy(text="assign the layers to attributes of the model in __init__"),),
    )
    return Answer(findings=(finding,), value="no parameters", expected="at least one")


def _all_frozen(named: Mapping[str, nn.Parameter]) -> Finding:
    return PARAMETERS_FROZEN.finding(
        title="every parameter is frozen",
        evidence=(
            Evidence(name="parameters with requires_grad = True", value=0, threshold=1),
            Evidence(name="parameters", value=len(named)),
        ),
        because="without a single parameter that requires a gradient there is nothing to train",
        remedies=(Remedy(text="set requires_grad_(True) on what is to learn"),),
    )


def _never_updated(subject: Subject, still: Sequence[str], expected: int, rates: Mapping[int, float]) -> Finding:
    used = {rates.get(id(parameter)) for name, parameter in subject.model.named_parameters() if name in still}
    zero = used == {0.0}
    parts = short(subject.model, still)
    evidence = [
        Evidence(name=f"parameters with gradients, unchanged after {STEPS} steps", value=len(still), threshold=0),
        Evidence(name="of parameters with gradients", value=expected),
    ]
    if len(used) == 1 and None not in used:
        evidence.append(Evidence(name="their learning rate", value=float(used.pop() or 0.0)))
    return WEIGHTS_NEVER_UPDATED.finding(
        # A group whose rate alone is zero was written so.
        severity="error" if len(still) == expected else "note" if zero else "warning",
        title="no weight changes at a step" if len(still) == expected else f"{listed(parts)}: unchanged by a step",
        where=Location(module=owner_of(still[0]) or None, parameter=still[0]),
        evidence=tuple(evidence),
        because="their learning rate is zero" if zero else WEIGHTS_NEVER_UPDATED.because,
        remedies=(Remedy(text="give them a learning rate above zero"),)
        if zero
        else (Remedy(text="look at what `step` does, and at a `forward` that sets these weights"),),
    )


def _too_short(subject: Subject, rounded: Sequence[str], rates: Mapping[int, float]) -> Finding:
    used = [rate for each in subject.model.parameters() if (rate := rates.get(id(each))) is not None]
    return WEIGHTS_NEVER_UPDATED.finding(
        title="no weight changes at a step",
        where=subject.info.where("optimizer.lr"),
        because="their steps are shorter than the last digit of the weights, and those at a far higher rate are stored",
        evidence=(
            Evidence(name=f"parameters with gradients, unchanged after {STEPS} steps", value=len(rounded), threshold=0),
            Evidence(name="of parameters with gradients", value=len(rounded)),
            *([Evidence(name="their highest learning rate", value=max(used))] if used else []),
        ),
        remedies=(Remedy(text="raise the learning rate: 3e-4 is a start for Adam, 0.1 for SGD"),),
    )


def _lost(subject: Subject, coarse: Sequence[str], expected: int) -> Finding:
    return BF16_UPDATES_LOST.finding(
        where=Location(module=owner_of(coarse[0]) or None, parameter=coarse[0]),
        evidence=(
            Evidence(name=f"parameters without a change after {STEPS} steps", value=len(coarse), threshold=0),
            Evidence(name="of parameters with gradients", value=expected),
            Evidence(name="type", value=str(subject.model.get_parameter(coarse[0]).dtype).removeprefix("torch.")),
        ),
        remedies=(Remedy(text="keep the weights in float32, and compute in half precision by autocast"),),
    )


CHECK = Check(
    name="parameters-updated",
    question="does what is to learn move at a step, and is it in the optimizer exactly once?",
    kinds=(PARAMETERS_FROZEN, PARAMETERS_NOT_IN_OPTIMIZER, WEIGHTS_NEVER_UPDATED, BF16_UPDATES_LOST),
    examine=examine,
    quick=True,
    seconds=0.1,
)
