"""What an optimizer keeps, and what it needs for a moment: found by letting it make updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from trainwright.vitals.memory import LiveBytes
from trainwright.vitals.step_plan import bytes_of, gradients


@dataclass(frozen=True, kw_only=True)
class Update:
    """An update in bytes: the optimizer's state, and what it needs beside parameters, gradients and state.

    `searching` says that the backward pass is made while that is there: the optimizer evaluates the loss itself.
    """

    state: int
    passing: int
    searching: bool = False


def updating(model: nn.Module, optimizer: torch.optim.Optimizer) -> Update:
    """Make two updates with the gradients that are in `model`, and return what the second one takes.

    Where a model has many parameters of one shape in one group, some of them are updated for all: they are taken to
    be treated alike. From few of them and from more it shows whether what passes is there for all of them at once.
    """
    learning = [parameter for parameter in model.parameters() if parameter.grad is not None]
    if isinstance(optimizer, torch.optim.LBFGS):
        return _line_search(optimizer, bytes_of(learning))
    train = getattr(optimizer, "train", None)
    if callable(train):  # those that average their weights step in this mode alone
        train()
    alike: dict[tuple[Any, ...], list[torch.Tensor]] = {}
    everything = [list(group["params"]) for group in optimizer.param_groups]
    for number, members in enumerate(everything):
        for parameter in members:
            if parameter.grad is not None:
                key = (number, parameter.shape, parameter.stride(), parameter.dtype)
                alike.setdefault(key, []).append(parameter)
    few, passing_few = _step_with(optimizer, everything, alike, _FEW)
    more, passing = _step_with(optimizer, everything, alike, _MORE)
    times = {id(members[0]): len(members) for members in alike.values()}
    state = sum(
        bytes_of(_tensors(kept)) * (times.get(id(key), 0) if isinstance(key, torch.Tensor) else 1)
        for key, kept in optimizer.state.items()
    )
    together = passing - passing_few > 0.5 * (more - few)  # one after the other, the difference is a few of them
    if together and more > few:
        passing += round((passing - passing_few) / (more - few) * (bytes_of(learning) - more))
    if isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW) and optimizer.defaults.get("foreach") is False:
        passing = 0  # stands for the single pass that there is not without data, which holds nothing besides
    return Update(state=state, passing=passing)


_FEW, _MORE = 4, 12


def _step_with(
    optimizer: torch.optim.Optimizer,
    everything: Sequence[list[torch.Tensor]],
    alike: Mapping[tuple[Any, ...], list[torch.Tensor]],
    most: int,
) -> tuple[int, int]:
    """Update at most so many of the parameters that are alike; return their bytes, and what passes meanwhile."""
    few = {id(member) for members in alike.values() for member in members[:most]}
    for group, members in zip(optimizer.param_groups, everything, strict=True):
        group["params"] = [member for member in members if id(member) in few]  # in their order
    updated = [member for group in optimizer.param_groups for member in group["params"]]
    optimizer.step()  # the state is made by the first step
    counted = LiveBytes()
    counted.hold([*updated, *gradients(updated), *_tensors(list(optimizer.state.values()))])
    held = counted.live
    with counted:
        optimizer.step()
    return bytes_of(updated), counted.peak - held


def _line_search(optimizer: torch.optim.LBFGS, learning: int) -> Update:
    """Return the same for L-BFGS, whose course depends on the numbers, once its history is full."""
    # Each remembered step keeps a direction and a change of gradient; beside them the last direction and gradient.
    state = (2 * int(optimizer.param_groups[0]["history_size"]) + 2) * learning
    return Update(state=state, passing=_LINE_SEARCH_COPIES * learning, searching=True)


_LINE_SEARCH_COPIES = 7  # of the parameters, while a line is searched: where it began, and the gradients between


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
