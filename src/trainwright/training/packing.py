"""Nested state as JSON beside named tensors, and back: no pickle, and nothing but plain values is ever rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from trainwright.errors import RunError

Tree = Any
"""Dicts, lists and tuples of tensors, numbers, texts, booleans and None."""

_TENSOR, _TUPLE, _ITEMS = "$tensor", "$tuple", "$items"


def pack(tree: Tree) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return `tree` as what JSON can hold, and its tensors by the place that they have in it ("optimizer/lr/0").

    Numbers come back bit for bit, NaN and infinities included. Raises `RunError` for a value that is none of a tree's.
    """
    tensors: dict[str, torch.Tensor] = {}
    return _packed(tree, "", tensors), tensors


def unpack(plain: Any, tensors: Mapping[str, torch.Tensor], device: torch.device) -> Tree:
    """Return the tree again. Tensors that were on the CPU come back there, all others on `device`.

    Raises `KeyError` for a tensor that is missing.
    """
    if isinstance(plain, list):
        return [unpack(item, tensors, device) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if _TENSOR in plain:
        tensor = _laid_out(tensors[plain[_TENSOR]], plain.get("strides"))
        return tensor if plain["on"] == "cpu" else tensor.to(device)
    if _TUPLE in plain:
        return tuple(unpack(item, tensors, device) for item in plain[_TUPLE])
    if _ITEMS in plain:
        return {key: unpack(item, tensors, device) for key, item in plain[_ITEMS]}
    return {key: unpack(item, tensors, device) for key, item in plain.items()}


def copied(tree: Tree) -> Tree:
    """Return the tree with tensors of its own, which later training cannot reach."""
    return mapped(tree, lambda tensor: tensor.detach().clone())


def mapped(tree: Tree, change: Callable[[torch.Tensor], torch.Tensor]) -> Tree:
    """Return the tree with every tensor changed."""
    if isinstance(tree, torch.Tensor):
        return change(tree)
    if isinstance(tree, Mapping):
        return {key: mapped(item, change) for key, item in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(mapped(item, change) for item in tree)
    return tree


def tensors_of(tree: Tree) -> list[torch.Tensor]:
    """Return every tensor of the tree, in order."""
    found: list[torch.Tensor] = []

    def take(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    mapped(tree, take)
    return found


def _packed(tree: Tree, place: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(tree, torch.Tensor):
        name = place if place not in tensors else f"{place}#{len(tensors)}"
        tensors[name] = tree
        strides = _strides(tree)
        return {_TENSOR: name, "on": tree.device.type} | ({} if strides is None else {"strides": strides})
    if isinstance(tree, Mapping):
        items = [(key, _packed(item, _below(place, key), tensors)) for key, item in tree.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in items):
            return dict(items)
        if all(isinstance(key, str | int) for key, _ in items):
            return {_ITEMS: [list(item) for item in items]}
    elif isinstance(tree, list | tuple):
        parts = [_packed(item, _below(place, number), tensors) for number, item in enumerate(tree)]
        return parts if isinstance(tree, list) else {_TUPLE: parts}
    elif isinstance(tree, np.generic):
        return tree.item()
    elif tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise RunError(
        "the state of this training holds something that a checkpoint cannot keep",
        evidence=f"{place or 'the whole'} is a {type(tree).__name__}",
        remedy="keep tensors, numbers and texts in it: nothing else is read back from a file",
    )


def _strides(tensor: torch.Tensor) -> list[int] | None:
    """Return how a tensor lies in memory where that is not in order of its axes, as images with their channels last.

    A file has only one order, and sums over another one round differently.
    """
    if hasattr(tensor, "full_tensor"):  # divided over ranks, along its first axis
        return None
    dense = tensor.layout == torch.strided and tensor.untyped_storage().nbytes() == tensor.nbytes
    usual = torch.empty(tensor.shape, device="meta").stride()
    return list(tensor.stride()) if dense and tensor.stride() != usual else None


def _laid_out(tensor: torch.Tensor, strides: list[int] | None) -> torch.Tensor:
    if strides is None:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def _below(place: str, key: object) -> str:
    return f"{place}/{key}" if place else str(key)
