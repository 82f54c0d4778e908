"""What an optimizer keeps, by the names of the parameters: no moment can end up with another weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainwright.errors import RunError
from trainwright.training.packing import copied, mapped


def kept_of(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    """Return a copy of the optimizer's state and of the settings of its groups, under the names of the parameters.

    An optimizer with a form of its own for its state gives that, which goes by order.
    """
    if type(optimizer).state_dict is not torch.optim.Optimizer.state_dict:
        return {"own": copied(optimizer.state_dict())}
    names = _names(optimizer, model)
    state = {names.get(key, f"={key}"): copied(values) for key, values in optimizer.state.items()}
    groups = [
        {"names": [names[weight] for weight in group["params"]], "settings": copied(_settings(group))}
        for group in optimizer.param_groups
    ]
    return {"state": state, "groups": groups}


def put_back(optimizer: torch.optim.Optimizer, model: nn.Module, kept: Mapping[str, Any]) -> None:
    """Give the optimizer what `kept_of` returned; `kept` stays as it is. Each tensor goes to its parameter's name.

    Unlike `load_state_dict` it converts nothing. Raises `RunError` where the parameters are not those of `kept`.
    """
    if "own" in kept:
        optimizer.load_state_dict(copied(kept["own"]))
        return
    names = _names(optimizer, model)
    weights = {name: weight for weight, name in names.items()}
    groups = [[names[weight] for weight in group["params"]] for group in optimizer.param_groups]
    wanted = [group["names"] for group in kept["groups"]]
    if [sorted(group) for group in groups] != [sorted(group) for group in wanted]:
        own, other = {name for group in groups for name in group}, {name for group in wanted for name in group}
        odd = sorted(own ^ other)[:5]
        raise RunError(
            "the optimizer does not hold the parameters that its state belongs to",
            evidence=f"only one of both has {', '.join(odd)}" if odd else "its groups are made up differently",
            remedy="make the model and the optimizer as they were made for the run",
        )
    for group, stored in zip(optimizer.param_groups, kept["groups"], strict=True):
        group.update(copied(stored["settings"]))
    state: defaultdict[Any, Any] = defaultdict(
        dict
    )  # another object: what was gathered from the old one is out of date
    for name, values in kept["state"].items():
        weight = weights.get(name)
        state[name.removeprefix("=") if weight is None else weight] = _near(values, weight)
    optimizer.state = state


def _near(values: Any, weight: torch.Tensor | None) -> Any:
    """Return a copy of a parameter's state: what lay on an accelerator lies where the parameter is."""
    if weight is None:
        return copied(values)
    return mapped(values, lambda tensor: (tensor if tensor.device.type == "cpu" else tensor.to(weight.device)).clone())


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def _names(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[torch.Tensor, str]:
    names: dict[torch.Tensor, str] = {weight: name for name, weight in model.named_parameters()}
    for place, group in enumerate(optimizer.param_groups):
        for number, weight in enumerate(group["params"]):
            names.setdefault(weight, f"group {place}, parameter {number}")  # one that is not the model's
    return names
