"""What an optimizer keeps, and what it needs for a moment: found by letting it make updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
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

    Parameters of one shape in one group are taken to be treated alike, so one of them is updated for all.
    """
    learning = [parameter for parameter in model.parameters() if parameter.grad is not None]
    if isinstance(optimizer, torch.optim.LBFGS):
        return _line_search(optimizer, bytes_of(learning))
    train = getattr(optimizer, "train", None)
    if callable(train):  # those that average their weights step in this mode alone
        train()
    alike: dict[tuple[Any, ...], list[torch.Tensor]] = {}
    for number, group in enumerate(optimizer.param_groups):
        for parameter in group["params"]:
            if parameter.grad is not None:
                key = (number, parameter.shape, parameter.stride(), parameter.dtype)
                alike.setdefault(key, []).append(parameter)
        group["params"] = [members[0] for key, members in alike.items() if key[0] == number]
    chosen = {id(members[0]): len(members) for members in alike.values()}
    updated = [members[0] for members in alike.values()]
    optimizer.step()  # the state is made by the first step
    state = sum(bytes_of(_tensors(kept)) * chosen.get(id(key), 1) for key, kept in optimizer.state.items())
    counted = LiveBytes()
    counted.hold([*updated, *gradients(updated), *_tensors(list(optimizer.state.values()))])
    held = counted.live
    with counted:
        optimizer.step()
    passing = counted.peak - held
    if any(group.get("foreach") for group in optimizer.param_groups):  # it is there for all parameters at once
        passing = round(passing * bytes_of(learning) / max(1, bytes_of(updated)))
    return Update(state=state, passing=passing)


def _line_search(optimizer: torch.optim.LBFGS, learning: int) -> Update:
    """Return the same for L-BFGS, whose course depends on the numbers, once its history is full."""
    # Each remembered step keeps a direction and a change of gradient; beside them the last direction and gradient.
    state = (2 * int(optimizer.param_groups[0]["history_size"]) + 2) * learning
    return Update(state=state, passing=_LINE_SEARCH_COPIES * learning, searching=True)


_LINE_SEARCH_COPIES = 7  # of the parameters, while a line is searched: where it began, and the gradients between


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


class AnyNumber(TorchDispatchMode):
    """Answers 1 where an optimizer asks for the value of a tensor that has none: no size depends on it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return True if args[0].dtype == torch.bool else 1.0 if args[0].is_floating_point() else 1
        return func(*args, **(kwargs or {}))
