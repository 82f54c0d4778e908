"""Who is in the optimizer: all that is to learn, exactly once, and nothing that is frozen or gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.checks.wiring import listed, owner_of, short
from trainwright.doctor.kinds_wiring import PARAMETERS_FROZEN, PARAMETERS_NOT_IN_OPTIMIZER
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.tensors import is_normalisation

MINORITY = 0.5
"""Of the numbers to train: less than that missing was forgotten, more was left out on purpose (a frozen backbone)."""
ADAPTERS = 0.9
"""Of the numbers to train: with more than that missing, small adapters alone are trained, on purpose."""


def judge_membership(
    subject: Subject, named: Mapping[str, nn.Parameter], reached: Mapping[str, nn.Parameter], last: str
) -> list[Finding]:
    """Return what is wrong with whom the optimizer holds.

    `named` are all parameters of the model, `reached` those with a gradient, `last` is the path of the output layer.
    """
    assert subject.optimizer is not None
    groups = [list(group["params"]) for group in subject.optimizer.param_groups]
    held = [parameter for group in groups for parameter in group]
    of_loss = subject.loss.parameters() if isinstance(subject.loss, nn.Module) else ()
    own = {id(parameter) for parameter in (*named.values(), *of_loss)}
    ids = {id(parameter) for parameter in held}
    missing = [name for name, parameter in reached.items() if id(parameter) not in ids]
    shapes = Counter(tuple(reached[name].shape) for name in missing)
    stale = Counter(tuple(parameter.shape) for parameter in held if id(parameter) not in own) & shapes
    twice = [name for name, parameter in named.items() if sum(parameter is other for other in held) > 1]
    frozen = _frozen(subject, groups, named, last)
    findings = [] if frozen is None else [frozen]
    if not any(parameter.requires_grad for parameter in held):
        return findings  # all that is missing is missing because the wrong ones are in it
    if missing and stale.total():
        findings.append(_stale(subject, missing, stale.total()))
    elif missing:
        findings.append(_missing(subject, missing, reached, last))
    if twice and not missing:
        findings.append(_twice(subject, twice))
    return findings


def _stale(subject: Subject, missing: Sequence[str], count: int) -> Finding:
    parts = short(subject.model, missing)
    return PARAMETERS_NOT_IN_OPTIMIZER.finding(
        title="the optimizer holds parameters that are no longer the model's",
        where=_where(missing),
        evidence=(
            Evidence(
                name="parameters of the optimizer that are not in the model, but have their twins in it", value=count
            ),
            Evidence(name="in the model, but not in the optimizer", value=listed(parts)),
        ),
        because="the optimizer moves tensors that the model does not use any more; those that it uses stay as they are",
        remedies=(Remedy(text="build the optimizer after the model was last changed, moved or loaded"),),
    )


def _missing(subject: Subject, missing: Sequence[str], reached: Mapping[str, nn.Parameter], last: str) -> Finding:
    parts = short(subject.model, missing)
    share = sum(reached[name].numel() for name in missing) / sum(parameter.numel() for parameter in reached.values())
    output_missing = bool(last) and all(name in missing for name in reached if owner_of(name) == last)
    # A backbone lies before all that is trained; a few layers among trained ones are no backbone, however large.
    order = list(reached)
    among = any(name not in missing for name in order[: order.index(missing[-1])])
    few_of_them = share < MINORITY or (among and len(missing) < MINORITY * len(reached))
    forgotten = few_of_them or (output_missing and share < ADAPTERS)
    return PARAMETERS_NOT_IN_OPTIMIZER.finding(
        severity="error" if forgotten else "note",
        title=f"{listed(parts)} {'is' if len(parts) == 1 else 'are'} not in the optimizer",
        where=_where(missing),
        evidence=(
            Evidence(name="trainable parameters with gradients that no group holds", value=len(missing), threshold=0),
            Evidence(name="their share of the numbers to train", value=share, threshold=MINORITY),
            Evidence(name="the output layer is among them", value=output_missing),
        ),
        because="they get gradients, and nothing ever uses these",
        remedies=(
            Remedy(text="build the optimizer from model.parameters()"),
            Remedy(text="if they are not to learn: requires_grad_(False), which also saves their gradients"),
        ),
    )


def _twice(subject: Subject, names: Sequence[str]) -> Finding:
    return PARAMETERS_NOT_IN_OPTIMIZER.finding(
        title="parameters are in the optimizer more than once",
        where=_where(names),
        evidence=(
            Evidence(name="parameters that are held more than once", value=len(names), threshold=0),
            Evidence(name="they are", value=listed(short(subject.model, names))),
        ),
        because="each step moves them as often as they are held",
        remedies=(Remedy(text="pass each parameter once: list(dict.fromkeys(parameters))"),),
    )


def _frozen(
    subject: Subject, groups: Sequence[Sequence[torch.Tensor]], named: Mapping[str, nn.Parameter], last: str
) -> Finding | None:
    """Judge what is frozen and yet in the optimizer; what is frozen and not in it is so on purpose."""
    names = {id(parameter): name for name, parameter in named.items()}
    asked = {id(named[name]) for name in subject.frozen if name in named}
    groups = [[parameter for parameter in group if id(parameter) not in asked] for group in groups]
    whole = [group for group in groups if group and not any(parameter.requires_grad for parameter in group)]
    modules = dict(subject.model.named_modules())
    order = list(named)
    first = next(place for place, name in enumerate(order) if named[name].requires_grad)
    given = [names[id(p)] for group in groups for p in group if id(p) in names and not p.requires_grad]
    # Tables of embeddings, fixed positions and frozen normalisation are handed on with all the others every day.
    layers = [
        name
        for name in given
        if not is_normalisation(modules[owner_of(name)])
        and not isinstance(modules[owner_of(name)], nn.Embedding | nn.EmbeddingBag)
        and any(True for _ in modules[owner_of(name)].parameters(recurse=False))
        and hasattr(modules[owner_of(name)], "weight")
    ]
    share = min(
        sum(named[name].numel() for name in layers) / sum(parameter.numel() for parameter in named.values()),
        len(layers) / len(named),
    )
    after = [name for name in layers if order.index(name) > first]
    if whole:
        severity, found = "error", [names.get(id(parameter), "a tensor") for parameter in whole[0]]
    elif after and share < MINORITY:
        severity, found = "warning", after
    elif layers:
        severity, found = "note", layers
    else:
        return None
    parts = short(subject.model, found)
    return PARAMETERS_FROZEN.finding(
        severity=severity,
        title="a whole group of the optimizer is frozen" if whole else f"{listed(parts)}: in the optimizer, but frozen",
        where=_where(found),
        evidence=(
            Evidence(name="parameters of the optimizer with requires_grad = False", value=len(found), threshold=0),
            Evidence(name="they are", value=listed(parts)),
            Evidence(name="the output layer is among them", value=any(owner_of(name) == last for name in found)),
        ),
        remedies=(
            Remedy(text="if they are to learn: requires_grad_(True)"),
            Remedy(text="if not: pass (p for p in model.parameters() if p.requires_grad) to the optimizer"),
        ),
    )


def _where(names: Sequence[str]) -> Location:
    return Location(module=owner_of(names[0]) or None, parameter=names[0])
