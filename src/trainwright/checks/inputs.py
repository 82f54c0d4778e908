"""Batches whose inputs are one tensor, several, or a dict of them: how a model is called, and how rows are taken."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn


def call(model: nn.Module, x: Any) -> Any:
    """Return `model(x)`; a tuple or list is its positional arguments, a dict its keyword arguments.

    Where `forward` cannot take so many, or none of these names, and takes one argument, it gets them in that one.
    """
    if isinstance(x, Mapping):
        return model(x) if _in_one(model, (), x) else model(**x)
    if isinstance(x, tuple | list):
        return model(x) if _in_one(model, x, {}) else model(*x)
    return model(x)


def _in_one(model: nn.Module, positional: Sequence[Any], named: Mapping[str, Any]) -> bool:
    """Say whether the signature of `forward` refuses several inputs, and takes a single one."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError, AttributeError):  # compiled, or no module: torch finds out
        return False
    try:
        signature.bind(*positional, **named)
    except TypeError:
        try:
            signature.bind(None)
        except TypeError:
            return False
        return True
    return False


def tensors(x: Any) -> list[torch.Tensor]:
    """Return the tensors of a batch, in order."""
    if isinstance(x, torch.Tensor):
        return [x]
    parts = x.values() if isinstance(x, Mapping) else x if isinstance(x, tuple | list) else ()
    return [tensor for part in parts for tensor in tensors(part)]


def mapped(x: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return the batch with `change` applied to each of its tensors."""
    if isinstance(x, torch.Tensor):
        return change(x)
    if isinstance(x, Mapping):
        return {name: mapped(part, change) for name, part in x.items()}
    if isinstance(x, tuple | list):
        return tuple(mapped(part, change) for part in x)
    return x


def rows(x: Any, which: Any) -> Any:
    """Return some samples of the batch: `which` is a slice or a tensor of places along the first dimension."""
    return mapped(x, lambda tensor: tensor[which])


def count(x: Any) -> int:
    """Return how many samples the batch holds."""
    found = tensors(x)
    return len(found[0]) if found and found[0].dim() else 0
