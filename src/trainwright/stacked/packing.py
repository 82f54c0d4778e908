"""A state for the disk: tensors by name, for safetensors, and all else as JSON can write it. No pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_TENSOR = "tensor:"  # what a text in the JSON half begins with where a tensor stood
_TEXT = "text:"


def packed(state: Any) -> tuple[dict[str, torch.Tensor], Any]:
    """Return the tensors of `state` (a `state_dict` of a trial array) by name, and the rest, which JSON can write."""
    tensors: dict[str, torch.Tensor] = {}
    return tensors, _packed(state, "", tensors)


def unpacked(tensors: Mapping[str, torch.Tensor], rest: Any) -> Any:
    """Return the state that `packed` took apart; tuples come back as lists."""
    if isinstance(rest, dict):
        return {name: unpacked(tensors, value) for name, value in rest.items()}
    if isinstance(rest, list):
        return [unpacked(tensors, value) for value in rest]
    if isinstance(rest, str):
        return tensors[rest[len(_TENSOR) :]] if rest.startswith(_TENSOR) else rest[len(_TEXT) :]
    return rest


def _packed(value: Any, place: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors[place] = value.detach().clone().contiguous()
        return _TENSOR + place
    if isinstance(value, Mapping):
        return {str(name): _packed(entry, f"{place}/{name}", tensors) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(entry, f"{place}/{number}", tensors) for number, entry in enumerate(value)]
    return _TEXT + value if isinstance(value, str) else value
