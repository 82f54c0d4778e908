"""What to say of weights that no gradient reaches: cut off before all of them, before some, or by a step function."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.checks.uses import Use
from trainwright.checks.wiring import forwards_above, listed, owner_of, short, single, written
from trainwright.doctor.kinds_wiring import LOSS_DETACHED, PARAMETERS_WITHOUT_GRADIENT
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.vitals.frames import CUTS


def detached(subject: Subject, value: Any, x: Any) -> Finding:
    """Say that the loss leads to no weight, and on which side of the model's output the graph ends."""
    last: list[str] = []

    def remember(path: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if any(tensor.requires_grad for tensor in single(output)):
                last.append(path)

        return hook

    hooks = [module.register_forward_hook(remember(path)) for path, module in subject.model.named_modules() if path]
    try:
        output = subject.output(x)
    finally:
        for hook in hooks:
            hook.remove()
    in_model = not any(tensor.requires_grad for tensor in single(output))
    path = last[-1] if in_model and last else None
    place = forwards_above(subject.model, path or "") if in_model else [subject.loss, type(subject.loss)]
    side = "inside the model" + (f", after {path}" if path else "") if in_model else "in the loss function"
    return LOSS_DETACHED.finding(
        where=Location(module=path, **written(place, CUTS)),
        evidence=(
            Evidence(name="trainable parameters that the graph of the loss leads to", value=0, threshold=1),
            Evidence(name="the graph ends", value=side),
            Evidence(name="the loss is", value=_kind(value)),
        ),
        remedies=(Remedy(text=f"compute with tensors all the way: the graph ends {side}"),),
    )


def _kind(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}, no tensor"
    return "a tensor with a graph" if value.requires_grad else "a tensor without a graph"


def cut_off(subject: Subject, names: Sequence[str], uses: Mapping[str, Use]) -> Finding:
    """Say that some weights change the loss and have a gradient of None, and where the graph may be cut."""
    parts = short(subject.model, names)
    path = parts[0] if parts[0] not in names else owner_of(parts[0])
    place = written(forwards_above(subject.model, path), CUTS)
    if not place and uses[names[0]].line is not None:
        place = {"file": uses[names[0]].file, "line": uses[names[0]].line}
    return PARAMETERS_WITHOUT_GRADIENT.finding(
        title=f"{listed(parts)} takes part in the loss, but gets no gradient",
        where=Location(module=path or None, parameter=names[0], **place),
        evidence=(
            Evidence(name="parameters whose values change the loss, but whose gradient is None", value=len(names)),
            Evidence(name="they are", value=listed(parts)),
        ),
        remedies=(
            Remedy(text=f"remove what detaches the output of {parts[0]} on its way to the loss"),
            Remedy(text="if it is not to learn: requires_grad_(False), and leave it out of the optimizer"),
        ),
    )


def without_slope(subject: Subject, names: Sequence[str], step: str) -> Finding:
    """Say that some weights change the loss through a step function, whose derivative is zero."""
    parts = short(subject.model, names)
    return PARAMETERS_WITHOUT_GRADIENT.finding(
        title=f"the gradient of {listed(parts)} is zero everywhere",
        where=Location(
            module=owner_of(names[-1]) or None,
            parameter=names[-1],
            **written(forwards_above(subject.model, owner_of(names[-1])), re.compile(rf"\b{step}\(")),
        ),
        evidence=(
            Evidence(name="parameters whose values change the loss, but whose gradient is zero", value=len(names)),
            Evidence(name="an operation on the way whose derivative is zero", value=step),
        ),
        because=f"the derivative of {step} is zero wherever it has one, so nothing before it can learn",
        remedies=(Remedy(text=f"pass the gradient straight through: x + ({step}(x) - x).detach()"),),
    )
