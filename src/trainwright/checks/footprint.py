"""Leaving no footprint: everything a check may change of model, optimizer, data and random state is put back."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from trainwright.randomness import isolated


@contextmanager
def untouched(
    model: nn.Module, optimizer: torch.optim.Optimizer | None = None, loader: Any = None, *, seed: int = 0
) -> Iterator[None]:
    """Run the block under the randomness of `seed`, and put back afterwards, bit for bit, what it changed.

    That is: parameters and their gradients (values, and which tensors they are), what requires a gradient, buffers,
    modes, hooks added to modules, the optimizer's state and groups, the generators of a loader, its sampler and its
    data set, torch's, numpy's and Python's random state, and the grad mode.
    """
    parameters = list(model.parameters())
    values = [parameter.detach().clone() for parameter in parameters]
    gradients = [(parameter.grad, _copied(parameter.grad)) for parameter in parameters]
    wanted = [parameter.requires_grad for parameter in parameters]
    modes = [(module, module.training) for module in model.modules()]
    tables = [(module, _tables(module)) for module in model.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    state = None if optimizer is None else _optimizer_state(optimizer)
    generators = [(source, _position(source)) for source in _generators(loader)]
    with isolated(seed, "checks"), torch.set_grad_enabled(True):
        try:
            yield
        finally:
            for module, kept in tables:  # first: a parameter or buffer may have been replaced
                for table, entries in zip(_tables_of(module), kept, strict=True):
                    table.clear()
                    table.update(entries)
            with torch.no_grad():
                for parameter, value in zip(parameters, values, strict=True):
                    parameter.copy_(value)
                for buffer, value in buffers:
                    buffer.copy_(value)
                for parameter, (gradient, value), wants in zip(parameters, gradients, wanted, strict=True):
                    parameter.requires_grad_(wants)
                    if gradient is not None and value is not None:
                        gradient.copy_(value)
                    parameter.grad = gradient
            for module, mode in modes:
                module.training = mode
            if optimizer is not None and state is not None:
                _restore_optimizer(optimizer, state)
            for source, position in generators:
                _set_position(source, position)


def _copied(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def _tables_of(module: nn.Module) -> list[dict[Any, Any]]:
    names = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return [getattr(module, name) for name in names]


def _tables(module: nn.Module) -> list[dict[Any, Any]]:
    return [dict(table) for table in _tables_of(module)]


def _optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    state = {
        parameter: {name: (value, _deep(value)) for name, value in entries.items()}
        for parameter, entries in optimizer.state.items()
    }
    groups = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    return state, copy.deepcopy(groups)


def _deep(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)


def _restore_optimizer(optimizer: torch.optim.Optimizer, kept: tuple[Any, Any]) -> None:
    state, groups = kept
    optimizer.state.clear()
    for parameter, entries in state.items():
        restored = {}
        for name, (value, copied) in entries.items():
            if isinstance(value, torch.Tensor):
                with torch.no_grad():
                    value.copy_(copied)
                restored[name] = value
            else:
                restored[name] = copied
        optimizer.state[parameter] = restored
    for group, entries in zip(optimizer.param_groups, groups, strict=True):
        for name in [name for name in group if name not in ("params", *entries)]:
            del group[name]
        group.update(entries)


def _generators(loader: Any) -> list[Any]:
    """Return the generators that a loader, its samplers and its data set hold."""
    found: dict[int, Any] = {}
    queue, seen = [loader], set()
    while queue:
        holder = queue.pop()
        if holder is None or id(holder) in seen or len(seen) > 100:
            continue
        seen.add(id(holder))
        for name, value in getattr(holder, "__dict__", {}).items():
            if isinstance(value, torch.Generator | np.random.Generator | np.random.RandomState | random.Random):
                found[id(value)] = value
            elif name in ("sampler", "batch_sampler", "dataset", "generator", "base", "transform"):
                queue.append(value)
    return list(found.values())


def _position(source: Any) -> Any:
    if isinstance(source, torch.Generator):
        return source.get_state()
    if isinstance(source, np.random.Generator):
        return source.bit_generator.state
    return source.getstate() if isinstance(source, random.Random) else source.get_state()


def _set_position(source: Any, position: Any) -> None:
    if isinstance(source, np.random.Generator):
        source.bit_generator.state = position
    elif isinstance(source, random.Random):
        source.setstate(position)
    else:
        source.set_state(position)
