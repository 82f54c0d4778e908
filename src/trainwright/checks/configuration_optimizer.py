"""The optimizer's settings: what decays, how, and whether epsilon is more than zero."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.checks.check import Skip
from trainwright.checks.planned import base_rate
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_loop import EPSILON_WRONG_FOR_DTYPE, L2_INSIDE_ADAM, WEIGHT_DECAY_ON_BIAS_OR_NORM
from trainwright.parts.groups import decay_table
from trainwright.records import Evidence, Finding, Location, Remedy

SHRINKS = 0.3
"""Share of a gain that a decoupled decay would take over the planned run, from which it is more than a note."""
STRONG = 0.1
"""Weight decay from which it is, where the length of the run is not known: language models use that, with groups."""
L2_STRONG = 1e-2
"""Weight decay of AdamW's size: inside Adam it is a hundred times what recipes with L2 use (graph networks: 5e-4)."""
_NOT_WEIGHTS = ("bias", "normalisation", "0-dimensional", "1-dimensional", "a scale")
_ADAMS = ("Adam", "Adamax", "NAdam", "RAdam")


def _groups(subject: Subject) -> list[dict[str, Any]]:
    if subject.optimizer is None:
        raise Skip("no optimizer is given")
    return subject.optimizer.param_groups


def _decaying(subject: Subject) -> list[dict[str, Any]]:
    groups = [group for group in _groups(subject) if float(group.get("weight_decay") or 0) > 0]
    if not groups:
        raise Skip("no weight decay is set")
    return groups


def _is_coupled(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> bool:
    """Say whether one of torch's Adams adds the decay to the gradient."""
    own = type(optimizer)
    known = own.__module__.startswith("torch.optim") and own.__name__ in _ADAMS
    return known and not group.get("decoupled_weight_decay", False)


def decay_on_all(subject: Subject) -> Finding | None:
    """Find biases and normalisation parameters in a group with weight decay."""
    groups = _decaying(subject)
    optimizer = subject.optimizer
    assert optimizer is not None
    names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
    reasons = {row.name: row.reason for row in decay_table(subject.model) if not row.decays}
    hit: list[tuple[str, float, float]] = []
    for group in groups:
        for parameter in group["params"]:
            name = names.get(id(parameter), "")
            if reasons.get(name, "").startswith(_NOT_WEIGHTS):
                hit.append((name, float(group["weight_decay"]), base_rate(group)))
    if not hit:
        return None
    decay, rate = max((entry[1], entry[2]) for entry in hit)
    planned = subject.info.planned_steps
    adaptive = "adam" in type(optimizer).__name__.lower() and not any(_is_coupled(optimizer, g) for g in groups)
    # Recipes for SGD decay everything, by little; there and in Adam's gradient it pulls against the loss, no further.
    lost = 1 - (1 - min(1.0, rate * decay)) ** planned if planned is not None else None
    harms = adaptive and (decay >= STRONG if lost is None else lost >= SHRINKS)
    evidence = [
        Evidence(name="biases and normalisation parameters that decay", value=len(hit)),
        Evidence(name="weight decay", value=decay),
    ]
    if lost is not None and adaptive:
        evidence.append(Evidence(name="what it would take of them over the run", value=lost, threshold=SHRINKS))
    return WEIGHT_DECAY_ON_BIAS_OR_NORM.finding(
        severity="warning" if harms else "note",
        where=_place(subject, hit[0][0]),
        evidence=tuple(evidence),
        remedies=(Remedy(text="two groups: weights with the decay, biases and normalisations with weight_decay=0"),),
    )


def l2_in_adam(subject: Subject) -> Finding | None:
    """Find a weight decay that goes through Adam's division."""
    optimizer = subject.optimizer
    coupled = [g for g in _decaying(subject) if optimizer is not None and _is_coupled(optimizer, g)]
    if not coupled:
        return None
    decay = max(float(group["weight_decay"]) for group in coupled)
    return L2_INSIDE_ADAM.finding(
        severity="warning" if decay >= L2_STRONG else "note",
        where=_place(subject, None),
        evidence=(
            Evidence(name="optimizer", value=type(optimizer).__name__),
            Evidence(name="weight decay inside the gradient", value=decay, threshold=L2_STRONG),
        ),
        remedies=(Remedy(text="torch.optim.AdamW, whose decay shrinks the weights themselves"),),
    )


def epsilon_lost(subject: Subject) -> Finding | None:
    """Find an epsilon that is zero once it has the type of the weights: exact."""
    groups = [group for group in _groups(subject) if isinstance(group.get("eps"), int | float)]
    if not groups:
        raise Skip("the optimizer has no epsilon")
    names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
    for group in groups:
        for parameter in group["params"]:
            rounded = float(torch.tensor(float(group["eps"])).to(parameter.dtype))
            if rounded > 0 or not parameter.requires_grad:
                continue
            dtype = str(parameter.dtype).removeprefix("torch.")
            zero = float(group["eps"]) == 0
            return EPSILON_WRONG_FOR_DTYPE.finding(
                severity="warning" if zero else "error",
                title="the optimizer's epsilon is zero" if zero else EPSILON_WRONG_FOR_DTYPE.title,
                because="a weight whose gradient is zero gives 0 / 0" if zero else EPSILON_WRONG_FOR_DTYPE.because,
                where=_place(subject, names.get(id(parameter)), "optimizer.epsilon"),
                evidence=(
                    Evidence(name="epsilon", value=float(group["eps"])),
                    Evidence(name=f"epsilon in {dtype}", value=rounded),
                ),
                remedies=(
                    Remedy(text="keep the weights in float32 and compute in autocast; or eps=1e-4 for float16 weights"),
                ),
            )
    return None


def _place(subject: Subject, parameter: str | None, setting: str = "optimizer.weight_decay") -> Location:
    written = subject.info.where(setting, "optimizer.name")
    return Location(file=written.file, line=written.line, module=written.module, parameter=parameter)
