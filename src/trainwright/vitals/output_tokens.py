"""Tokens that are their own targets: how many are, and which tokens the output at a place depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from trainwright.records.loss_call import LossCall
from trainwright.tensors import evaluating

COPIED = 0.99
"""Share of targets that repeat the input from which what the output may see is worth a pass."""
_FEWEST = 16  # tokens, below which they may agree by luck
_ROWS = 8


def copied(x: torch.Tensor, target: torch.Tensor, ignored: int | None) -> float | None:
    """Return the share of targets that are the token of `x`, `(N, L)`, at their place; None where they are no tokens.

    Targets that the loss leaves out are not counted.
    """
    if x.dim() != 2 or x.shape[1] < 2 or x.is_floating_point() or x.is_complex() or target.is_floating_point():
        return None
    if target.numel() != x.numel() or bool((x == x.reshape(-1)[0]).all()):
        return None
    target, tokens = target.reshape(-1), x.reshape(-1).to(target.device)
    kept = torch.ones_like(target, dtype=torch.bool) if ignored is None else target != ignored
    if int(kept.sum()) < _FEWEST:
        return None
    return float((target == tokens)[kept].double().mean())


def with_sight(calls: Sequence[LossCall], model: nn.Module, x: torch.Tensor) -> tuple[LossCall, ...]:
    """Return the calls, those whose targets copy the input with what the model's output depends on."""
    if not any(_copies(call) for call in calls):
        return tuple(calls)
    sees = _sees(model, x)
    return tuple(replace(call, sees=sees) if _copies(call) else call for call in calls)


def _copies(call: LossCall) -> bool:
    return call.target is not None and call.target.copied is not None and call.target.copied > COPIED


def _outputs(given: Any) -> Any:
    """Return what a model gave, or the first of several: logits, and a loss that was not asked for."""
    return next((part for part in given if part is not None), None) if isinstance(given, tuple | list) else given


def _sees(model: nn.Module, x: torch.Tensor) -> str:
    """Exchange the last token of each row for another of the batch, and look where the output changes."""
    before = x[:_ROWS].clone()
    low, high = before.min(), before.max()
    after = before.clone()
    after[:, -1] = torch.where(after[:, -1] == low, high, low)
    with evaluating(model), torch.no_grad():
        one, other = _outputs(model(before)), _outputs(model(after))
    if (
        not isinstance(one, torch.Tensor)
        or not isinstance(other, torch.Tensor)
        or one.shape != other.shape
        or one.dim() < 2
    ):
        return ""
    rows, length = before.shape
    if len(one) == rows * length:  # flattened by the model
        one, other = (part.reshape(rows, length, -1) for part in (one, other))
    found = ""
    for dimension in range(1, one.dim()):
        if one.shape[dimension] != length:
            continue
        places = (one != other).movedim(dimension, 0).flatten(1).any(1)
        if not bool(places.any()):
            return "earlier"
        if not bool(places[:-1].any()):
            return "own"
        found = "later"
    return found
