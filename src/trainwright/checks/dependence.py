"""Whether the loss depends on parameters that get no gradient, and whether that is so on purpose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.checks.wiring import loss_of, scalar, short

_TWINS = re.compile(r"teacher|target|ema|momentum|shadow", re.IGNORECASE)
_SAME = 1e-6  # relative; a pass that does not use a parameter is repeated to the last bit


def depends(subject: Subject, x: Any, y: Any, parameters: Sequence[nn.Parameter]) -> bool:
    """Say whether the loss changes with the values of `parameters`, which are put back."""
    before, again = (float(scalar(loss_of(subject, x, y)).detach()) for _ in range(2))
    if before != again:  # the model keeps something from pass to pass: nothing can be told by comparing two
        return False
    kept = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for place, parameter in enumerate(parameters):
            generator = torch.Generator().manual_seed(place)
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.add_(noise, alpha=0.1 * float(parameter.abs().max()) + 0.01)
    after = float(torch.as_tensor(loss_of(subject, x, y)).detach().sum())
    with torch.no_grad():
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.copy_(value)
    return not abs(after - before) <= _SAME * max(abs(before), _SAME)


def is_teacher(model: nn.Module, group: Sequence[str], trained: set[str]) -> bool:
    """Say whether a module copies, or is named as the follower of, another one that is trained."""
    path = short(model, group)[0]
    modules = dict(model.named_modules())
    if path not in modules:
        return False
    own = dict(modules[path].named_parameters())
    for other, module in modules.items():
        twin = dict(module.named_parameters())
        if other == path or {n: p.shape for n, p in twin.items()} != {n: p.shape for n, p in own.items()}:
            continue
        if not any(f"{other}.{name}" in trained for name in twin):
            continue
        drawn = any(parameter.dim() > 1 for parameter in own.values())  # fresh normalisations are all alike
        if _TWINS.search(path) or (drawn and all(torch.equal(own[name], twin[name]) for name in own)):
            return True
    return False
