"""Does every trainable parameter get a gradient?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.dependence import depends, is_teacher
from trainwright.checks.subject import Subject
from trainwright.checks.unreached import cut_off, detached, without_slope
from trainwright.checks.uses import uses_of
from trainwright.checks.wiring import (
    as_in_training,
    few,
    gradients,
    leaves,
    listed,
    loss_of,
    nodes,
    nudge,
    output_of,
    scalar,
    short,
)
from trainwright.doctor.kinds_wiring import LOSS_DETACHED, PARAMETERS_WITHOUT_GRADIENT

_LOOKS = 3  # a gate at zero inside a branch at zero under a head at zero frees itself in as many steps
_STEPS = re.compile(r"^(Round|Floor|Ceil|Trunc|Sign|Sgn|Frac)Backward")  # derivative zero wherever there is one


def examine(subject: Subject) -> Answer:
    """Exact: what the graph of the loss leads to, and for the rest whether its value changes the loss."""
    named = dict(subject.model.named_parameters())
    trainable = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    frozen = [name for name in named if name not in trainable]
    if not trainable:
        raise Skip("the model has no registered parameter" if not named else "every parameter is frozen")
    as_in_training(subject.model)
    x, y = few(subject)
    value, silent = _first_pass(subject, x, y)
    reached = {id(leaf) for leaf in leaves(value)} if isinstance(value, torch.Tensor) else set()
    if not any(id(parameter) in reached for parameter in trainable.values()):
        if reached & {id(leaf) for leaf in leaves(output_of(subject, x))}:
            raise Skip("the weights that the loss leads to are not registered in the model")
        return Answer(
            findings=(detached(subject, value, x),),
            value=f"0 of {len(trainable)} reached",
            expected="all that are used",
        )
    first = gradients(scalar(value), list(trainable.values()))
    missing = [name for name, gradient in zip(trainable, first, strict=True) if gradient is None]
    stories = _without_gradient(subject, x, y, {name: trainable[name] for name in missing}, trainable)
    zero, stepped = _still_zero(subject, x, y, trainable, first)
    findings = []
    if stories["cut"]:
        findings.append(cut_off(subject, stories["cut"], stories["uses"]))
    elif stepped and depends(subject, x, y, [trainable[name] for name in zero]):
        findings.append(without_slope(subject, zero, stepped))
    unused = short(subject.model, stories["unused"])
    silent = [path for path in silent if not any(path == part or path.startswith(f"{part}.") for part in unused)]
    idle = [*unused, *silent]
    left = len(trainable) - len(stories["cut"]) - len(stories["unused"]) - len(stories["stopped"]) - len(zero)
    return Answer(
        findings=tuple(findings),
        measured={
            "trainable": len(trainable),
            "reached": left,
            "cut_off": ", ".join(short(subject.model, stories["cut"])),
            "unused": ", ".join(unused),
            "never_called": ", ".join(silent),
            "stopped_on_purpose": ", ".join(short(subject.model, stories["stopped"])),
            "zero": ", ".join(short(subject.model, zero)),
            "frozen": ", ".join(short(subject.model, frozen)),
        },
        value=f"{left} of {len(trainable)} reached" + (f"; not used: {listed(idle)}" if idle else ""),
        expected="all that are used",
    )


def _first_pass(subject: Subject, x: Any, y: Any) -> tuple[Any, list[str]]:
    """Return the loss, and the modules without parameters of their own, such as a dropout, that were never called."""
    waiting = {
        path: module
        for path, module in subject.model.named_modules()
        if path and not any(True for _ in module.children()) and not any(True for _ in module.parameters())
        if not isinstance(module, nn.ModuleList | nn.ModuleDict | nn.Sequential | nn.ParameterList | nn.ParameterDict)
    }
    called: set[int] = set()
    hooks = [module.register_forward_hook(lambda each, *_: called.add(id(each))) for module in waiting.values()]
    try:
        value = loss_of(subject, x, y)
    finally:
        for hook in hooks:
            hook.remove()
    return value, [path for path, module in waiting.items() if id(module) not in called]


def _without_gradient(
    subject: Subject,
    x: Any,
    y: Any,
    missing: Mapping[str, nn.Parameter],
    trainable: Mapping[str, nn.Parameter],
) -> dict[str, Any]:
    """Return which of the parameters without a gradient are cut off, unused, or stopped on purpose."""
    stories: dict[str, Any] = {"cut": [], "unused": [], "stopped": [], "uses": {}}
    if not missing:
        return stories
    uses = uses_of(missing, lambda: loss_of(subject, x, y))
    held = None if subject.optimizer is None else {id(p) for g in subject.optimizer.param_groups for p in g["params"]}
    suspects = []
    for name, parameter in missing.items():
        if name not in uses:
            stories["unused"].append(name)
        elif not uses[name].with_gradient or (held is not None and id(parameter) not in held):
            stories["stopped"].append(name)
        else:
            suspects.append(name)
    stories["uses"] = uses
    for group in _grouped(subject.model, suspects):
        if not depends(subject, x, y, [missing[name] for name in group]):
            stories["unused"] += group
        elif is_teacher(subject.model, group, set(trainable) - set(missing)):
            stories["stopped"] += group
        else:
            stories["cut"] += group
    return stories


def _grouped(model: nn.Module, names: Sequence[str]) -> list[list[str]]:
    """Return the names by the largest modules that they fill."""
    return [[name for name in names if name == part or name.startswith(f"{part}.")] for part in short(model, names)]


def _still_zero(
    subject: Subject, x: Any, y: Any, trainable: Mapping[str, nn.Parameter], first: Sequence[torch.Tensor | None]
) -> tuple[list[str], str]:
    """Return whose gradient is all zeros, also after some steps, and the step function on the way, or ""."""
    found = dict(zip(trainable, first, strict=True))
    zero = [name for name, gradient in found.items() if gradient is not None and not _any(gradient)]
    stepped = ""
    for _ in range(_LOOKS):
        if not zero:
            return [], ""
        nudge(trainable.values(), found.values())
        value = scalar(loss_of(subject, x, y))
        stepped = next((node.name() for node in nodes(value) if _STEPS.match(node.name())), "")
        found = dict(zip(trainable, gradients(value, list(trainable.values())), strict=True))
        zero = [name for name in zero if (gradient := found[name]) is not None and not _any(gradient)]
    return zero, re.sub(r"Backward\d*$", "", stepped).lower()


def _any(gradient: torch.Tensor) -> bool:
    return bool((gradient.coalesce().values() if gradient.is_sparse else gradient).any())


CHECK = Check(
    name="parameters-reached",
    question="does every trainable parameter get a gradient?",
    kinds=(LOSS_DETACHED, PARAMETERS_WITHOUT_GRADIENT),
    examine=examine,
    quick=True,
    seconds=0.1,
)
