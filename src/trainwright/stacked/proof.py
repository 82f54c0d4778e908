"""One step of a few rows in float64, stacked and alone: where they agree, no rounding can hide a difference."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainwright.stacked.copying import model_copy
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import Member
from trainwright.stacked.stacked_array import StackedArray

TOLERANCE = 1e-9
"""Relative to the largest entry: float64 sums in another order differ by some 1e-15, a wrong gradient by far more."""


def disagreement(members: Sequence[Member], x: torch.Tensor, y: torch.Tensor) -> str | None:
    """Return where a stacked step differs from the members' own, in words; None where loss, gradient and buffers agree.

    Each member makes one plain step at rate 1, whose update is the gradient itself: the optimizers are proven apart
    from it, and those that step by signs would blow a rounding error up. Raises `CannotStack` as `StackedArray` does.
    """
    prepared = [_prepared(member) for member in members]
    x, y = _wide(x), _wide(y)
    alone, stacked = LoopArray(prepared), StackedArray(prepared)
    expected, losses = alone.step(x, y), stacked.step(x, y)
    for place, (one, other) in enumerate(zip(expected, losses, strict=True)):
        if not _agree(one, other):
            return f"row {place} has the loss {float(other):.6g} in the stack and {float(one):.6g} alone"
    for place in alone.ids:
        one, other = alone.model(place), stacked.model(place)
        for kind, first, second in (
            ("gradient of", one.named_parameters(), other.named_parameters()),
            ("buffer", one.named_buffers(), other.named_buffers()),
        ):
            for (name, value), (_, found) in zip(first, second, strict=True):
                if not _agree(value.detach(), found.detach()):
                    worst = float((value.detach() - found.detach()).abs().max())
                    return f"the {kind} '{name}' in row {place} is off by {worst:.2g}"
    return None


def _prepared(member: Member) -> Member:
    model = model_copy(member.model).double()
    named = dict(model.named_parameters())
    names = {parameter: name for name, parameter in member.model.named_parameters()}
    groups = [
        {"params": [named[names[parameter]] for parameter in group["params"]]}
        for group in member.optimizer.param_groups
    ]
    if next(iter(named.values())).device.type != "cpu":
        _silence(model)  # an accelerator draws its masks within its kernels, where a row cannot draw the same
    loss: Any = deepcopy(member.loss).double() if isinstance(member.loss, nn.Module) else member.loss
    plain = torch.optim.SGD(groups, lr=1.0)
    return replace(
        member,
        model=model,
        optimizer=plain,
        loss=loss,
        rate=lambda step: 1.0,
        momentum=lambda step: None,
        clip_norm=None,
        clip_value=None,
    )


def _silence(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values.double() if values.is_floating_point() else values


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    if not one.is_floating_point():
        return torch.equal(one, other)
    finite = one[torch.isfinite(one)]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(one, other, rtol=0, atol=TOLERANCE * (1 + scale), equal_nan=True)
