"""The state of a row as plain data: the same whichever way the array computes, so that one can go on from the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from trainwright.errors import UsageError


def row_state(model: nn.Module, optimizer: torch.optim.Optimizer, *, steps: int, frozen: bool) -> dict[str, Any]:
    """Return a copy of all that a row consists of: tensors, numbers and texts in dicts and lists."""
    slots = [dict(optimizer.state.get(parameter, {})) for parameter in _trained(optimizer)]
    groups = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    return {
        "steps": steps,
        "frozen": frozen,
        "model": {name: tensor.detach().clone() for name, tensor in tensors_of(model)},
        "optimizer": {"slots": deepcopy(slots), "groups": deepcopy(groups)},
    }


def load_row(model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Bring a row to where `state` was taken, bit for bit.

    torch's own `load_state_dict` of optimizers would cast what was kept in another precision than the parameters.
    """
    with torch.no_grad():
        for name, tensor in tensors_of(model):
            tensor.copy_(state["model"][name])
    kept = state["optimizer"]
    for parameter, slots in zip(_trained(optimizer), kept["slots"], strict=True):
        optimizer.state.pop(parameter, None)
        if slots:
            optimizer.state[parameter] = deepcopy(dict(slots))
    for group, values in zip(optimizer.param_groups, kept["groups"], strict=True):
        for name, value in values.items():
            group[name] = tuple(value) if isinstance(group.get(name), tuple) else deepcopy(value)


def states_of(ids: Sequence[int], state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the states of the rows `ids` in this order; raises `UsageError` unless `state` is of just these rows."""
    kept = [int(id) for id in state["ids"]]
    if sorted(kept) != sorted(ids):
        raise UsageError(
            "this state is of other rows than those of the trial array",
            evidence=f"the state has {kept}, the array {list(ids)}",
            remedy="build the array of the members that the state names, with the same ids",
        )
    rows = dict(zip(kept, state["rows"], strict=True))
    return [rows[id] for id in ids]


def tensors_of(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the parameters and buffers of `model` with their names, tied ones once, buffers that are not saved too."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _trained(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
