"""Copies of models and optimizers that belong together."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from trainwright.errors import ModelError, first_line


def model_copy(model: nn.Module) -> nn.Module:
    """Return a deep copy of `model`, without gradients; raises `ModelError` for one that cannot be copied."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:  # kept by a forward pass, with its graph
                memo[id(value)] = value.detach().clone()
    try:
        copied = copy.deepcopy(model, memo)
    except Exception as problem:
        raise ModelError(
            "a model of the trial array cannot be copied",
            evidence=f"{type(model).__name__}: {first_line(problem)}",
            remedy="keep no tensors that were computed with gradients, and no open files, in the model's attributes",
        ) from None
    for parameter in copied.parameters():
        parameter.grad = None
    return copied


def optimizer_copy(
    optimizer: torch.optim.Optimizer, replaced: dict[torch.Tensor, torch.Tensor]
) -> torch.optim.Optimizer:
    """Return a copy of `optimizer`, of any class, with its state, over other tensors instead of its parameters."""
    copied = object.__new__(type(optimizer))
    memo: dict[int, Any] = {id(old): new for old, new in replaced.items()}
    memo[id(optimizer)] = copied
    copied.__dict__.update(copy.deepcopy(optimizer.__dict__, memo))
    return copied


def pair_copy(model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a copy of a model, and of its optimizer over the copy's parameters."""
    twin = model_copy(model)
    replaced: dict[torch.Tensor, torch.Tensor] = dict(zip(model.parameters(), twin.parameters(), strict=True))
    return twin, optimizer_copy(optimizer, replaced)
