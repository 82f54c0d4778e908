"""Does every parameter that is to learn move at a step, and is it in the optimizer exactly once?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import (
    as_in_training,
    few,
    gradients,
    leaves,
    listed,
    loss_of,
    nudge,
    output_of,
    owner_of,
    scalar,
    short,
)
from trainwright.doctor.kinds_wiring import PARAMETERS_FROZEN, PARAMETERS_NOT_IN_OPTIMIZER, WEIGHTS_NEVER_UPDATED
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.tensors import is_normalisation

MINORITY = 0.5
"""Of the numbers to train: less than that missing was forgotten, more was left out on purpose (a frozen backbone)."""
ADAPTERS = 0.9
"""Of the numbers to train: with more than that missing, small adapters alone are trained, on purpose."""
_STEPS = 3  # momentum and warm-up may hold the first one back


def examine(subject: Subject) -> Answer:
    """Exact: identity of parameters, and their bits before and after steps of the optimizer."""
    named = dict(subject.model.named_parameters())
    trainable = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    frozen = [name for name in named if name not in trainable]
    if not named:
        raise Skip("the model has no registered parameter")
    if not trainable:
        return Answer(findings=(_all_frozen(named),), value=f"0 of {len(named)} trainable", expected="at least one")
    as_in_training(subject.model)
    x, y = few(subject)
    value = scalar(loss_of(subject, x, y))
    found = dict(zip(trainable, gradients(value, list(trainable.values())), strict=True))
    alive = {name: parameter for name, parameter in trainable.items() if _any(found[name])}
    if not alive:
        raise Skip("no parameter gets a gradient, so none is expected to move")
    last = _last_layer(subject, x, named)
    findings = [] if subject.optimizer is None else _membership(subject, named, alive, last)
    held = _held(subject.optimizer) if subject.optimizer is not None else {id(p) for p in named.values()}
    expected = {name: parameter for name, parameter in alive.items() if id(parameter) in held}
    still, rounded = _unmoved(subject, x, y, expected, found)
    if still:
        findings.append(_never_updated(subject, still, len(expected)))
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
        + (f"; frozen: {listed(short(subject.model, frozen))}" if frozen else ""),
        expected="all that have a gradient",
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


def _membership(
    subject: Subject, named: Mapping[str, nn.Parameter], alive: Mapping[str, nn.Parameter], last: str
) -> list[Finding]:
    """Return what is wrong with whom the optimizer holds."""
    assert subject.optimizer is not None
    groups = [list(group["params"]) for group in subject.optimizer.param_groups]
    held = [parameter for group in groups for parameter in group]
    own = {id(parameter) for parameter in named.values()}
    missing = [name for name, parameter in alive.items() if id(parameter) not in _held(subject.optimizer)]
    shapes = Counter(tuple(alive[name].shape) for name in missing)
    stale = Counter(tuple(parameter.shape) for parameter in held if id(parameter) not in own) & shapes
    twice = [name for name, parameter in named.items() if sum(parameter is other for other in held) > 1]
    findings = []
    if missing and stale.total():
        findings.append(_stale(subject, missing, stale.total()))
    elif missing:
        findings.append(_missing(subject, missing, alive, last))
    if twice and not findings:
        findings.append(_twice(subject, twice))
    frozen = _frozen(subject, groups, named, last)
    if frozen is not None:
        findings.append(frozen)
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


def _missing(subject: Subject, missing: Sequence[str], alive: Mapping[str, nn.Parameter], last: str) -> Finding:
    parts = short(subject.model, missing)
    share = sum(alive[name].numel() for name in missing) / sum(parameter.numel() for parameter in alive.values())
    output_missing = bool(last) and all(name in missing for name in alive if owner_of(name) == last)
    forgotten = share < MINORITY or (output_missing and share < ADAPTERS)
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
    share = sum(named[name].numel() for name in layers) / sum(parameter.numel() for parameter in named.values())
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


def _where(names: Sequence[str]) -> Location:
    return Location(module=owner_of(names[0]) or None, parameter=names[0])


def _unmoved(
    subject: Subject,
    x: Any,
    y: Any,
    expected: Mapping[str, nn.Parameter],
    found: Mapping[str, torch.Tensor | None],
) -> tuple[list[str], list[str]]:
    """Return who is bit for bit the same after real steps and a pass; second, whose steps are lost in rounding."""
    before = {name: parameter.detach().clone() for name, parameter in expected.items()}
    rates = _rates(subject.optimizer)
    for _ in range(_STEPS):
        if subject.optimizer is None:
            nudge(expected.values(), [found[name] for name in expected])
        else:
            _step(subject, x, y)
        with torch.no_grad():
            loss_of(subject, x, y)  # a forward pass that sets weights undoes the step here
        same = [name for name, parameter in expected.items() if torch.equal(parameter, before[name])]
        if not same:
            break
    rounded = []
    for name in same:
        rate, gradient = rates.get(id(expected[name]), 1.0), found[name]
        # A rate that is tiny on purpose: neither the gradient's step nor one of the rate's own size can be stored.
        size = max(1.0, 0.0 if gradient is None else float(gradient.abs().max()))
        if 0 < rate * size < torch.finfo(expected[name].dtype).eps * float(before[name].abs().max()):
            rounded.append(name)
    return [name for name in same if name not in rounded], rounded


def _rates(optimizer: torch.optim.Optimizer | None) -> dict[int, float]:
    """Return the learning rate of each parameter, by its id; groups without one are left out."""
    if optimizer is None:
        return {}
    rates = {}
    for group in optimizer.param_groups:
        if isinstance(group.get("lr"), float | int | torch.Tensor):
            # A warm-up starts at zero: what it rises to is what counts.
            group["lr"] = group["lr"] or group.get("initial_lr", group["lr"])
            rates |= {id(parameter): float(group["lr"]) for parameter in group["params"]}
    return rates


def _step(subject: Subject, x: Any, y: Any) -> None:
    optimizer = subject.optimizer
    assert optimizer is not None

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            value = scalar(loss_of(subject, x, y))
            value.backward()
        return value

    into_training = getattr(optimizer, "train", None)
    if callable(into_training):  # schedule-free optimizers step in their training mode only
        into_training()
    if isinstance(optimizer, torch.optim.LBFGS):
        optimizer.step(lambda: float(closure()))
    else:
        closure()
        optimizer.step()


def _never_updated(subject: Subject, still: Sequence[str], expected: int) -> Finding:
    rates = _rates(subject.optimizer)
    used = {rates.get(id(parameter)) for name, parameter in subject.model.named_parameters() if name in still}
    zero = used == {0.0}
    parts = short(subject.model, still)
    evidence = [
        Evidence(name=f"parameters with gradients, unchanged after {_STEPS} steps", value=len(still), threshold=0),
        Evidence(name="of parameters with gradients", value=expected),
    ]
    if len(used) == 1 and None not in used:
        evidence.append(Evidence(name="their learning rate", value=float(used.pop() or 0.0)))
    return WEIGHTS_NEVER_UPDATED.finding(
        severity="error" if len(still) == expected else "warning",
        title="no weight changes at a step" if len(still) == expected else f"{listed(parts)}: unchanged by a step",
        where=_where(still),
        evidence=tuple(evidence),
        because="their learning rate is zero" if zero else WEIGHTS_NEVER_UPDATED.because,
        remedies=(Remedy(text="give them a learning rate above zero"),)
        if zero
        else (Remedy(text="look at what `step` does, and at a `forward` that sets these weights"),),
    )


CHECK = Check(
    name="parameters-updated",
    question="does what is to learn move at a step, and is it in the optimizer exactly once?",
    kinds=(PARAMETERS_FROZEN, PARAMETERS_NOT_IN_OPTIMIZER, WEIGHTS_NEVER_UPDATED),
    examine=examine,
    quick=True,
    seconds=0.1,
)
