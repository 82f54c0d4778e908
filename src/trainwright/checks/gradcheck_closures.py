"""Everything a copied model and loss compute with, made float64: tensors in attributes, lists, partials and closures.

A deep copy takes functions as they are, so that what they close over is still the original: its tensors are float32,
and a model among it is not the one that is displaced. Such functions are made anew around the copies.
"""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

_CONTAINERS = (list, tuple, dict)
_MOST = 1000  # things in a container that is looked into: longer ones hold data
_TABLES = ("_parameters", "_buffers", "_modules", "_forward", "_backward", "_state_dict", "_load_state_dict")


class Widening:
    """Changes the tensors of copied things. `memo` is that of the deep copy: the id of an original leads to its copy.

    `change` gives a tensor its type and device.
    """

    def __init__(self, memo: dict[int, Any], change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.memo, self.change = memo, change
        self.seen: set[int] = set()
        self.functions: dict[int, types.FunctionType] = {}

    def widened(self, thing: Any) -> Any:
        """Return a copied thing with its tensors changed: modules and objects in place, with all that they hold."""
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if id(thing) in self.seen or isinstance(thing, type):
            return thing
        if isinstance(thing, nn.Parameter):
            thing.data = self.change(thing.data)
            return thing
        if isinstance(thing, torch.Tensor):
            return self.change(thing)
        if isinstance(thing, functools.partial):
            words = {name: self.widened(value) for name, value in thing.keywords.items()}
            return functools.partial(self.widened(thing.func), *map(self.widened, thing.args), **words)
        if isinstance(thing, types.MethodType):
            self.widened(thing.__self__)
        elif isinstance(thing, nn.Module):
            for module in thing.modules():
                self._module(module)
        elif type(thing) in _CONTAINERS and len(thing) < _MOST:
            self.seen.add(id(thing))
            if isinstance(thing, dict):
                return {key: self.widened(value) for key, value in thing.items()}
            return type(thing)(map(self.widened, thing))
        elif _holds(thing):
            self.seen.add(id(thing))
            for name, value in list(vars(thing).items()):
                vars(thing)[name] = self.widened(value)
        return thing

    def _module(self, module: nn.Module) -> None:
        if id(module) in self.seen:
            return
        self.seen.add(id(module))
        for name, value in list(_attributes(module)):
            vars(module)[name] = self.widened(value)
        for table in (module._parameters, module._buffers):
            for name, value in table.items():
                table[name] = None if value is None else self.widened(value)

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        """Return a function around copies of what it closes over, or itself where there is nothing to copy."""
        if id(function) in self.functions:
            return self.functions[id(function)]
        cells = [types.CellType() for _ in function.__closure__ or ()]
        around = function.__globals__
        here = {name: around[name] for name in outside_names(function.__code__) & around.keys()}
        here = {name: value for name, value in here.items() if isinstance(value, torch.Tensor | nn.Module)}
        defaults, words = function.__defaults__ or (), function.__kwdefaults__ or {}
        if not (cells or here or defaults or words):
            return function
        here = {name: self._copied(value) for name, value in here.items()}
        twin = types.FunctionType(
            function.__code__, {**around, **here} if here else around, function.__name__, None, tuple(cells)
        )
        vars(twin).update(vars(function))
        self.functions[id(function)] = twin  # a function may close over itself
        changed = bool(here)
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            try:
                before = original.cell_contents
            except ValueError:  # not filled yet
                continue
            cell.cell_contents = self._copied(before)
            changed |= cell.cell_contents is not before
        own, own_words = (
            tuple(map(self._copied, defaults)),
            {name: self._copied(value) for name, value in words.items()},
        )
        twin.__defaults__, twin.__kwdefaults__ = own or None, own_words or None
        changed |= any(one is not two for one, two in zip(own, defaults, strict=True))
        changed |= any(own_words[name] is not value for name, value in words.items())
        if not changed:
            self.functions[id(function)] = function
        return self.functions[id(function)]

    def _copied(self, original: Any) -> Any:
        """Return the copy of what a function closes over, and what it closes over itself where that has none."""
        if isinstance(original, types.FunctionType):
            return self._function(original)
        if isinstance(original, torch.Tensor) and id(original) not in self.memo:
            # A history leads to the original model's weights: it is kept, so that the graph shows it.
            return original if original.grad_fn is not None else self.change(original.detach().clone())
        if not isinstance(original, types.MethodType) and not _holds(original):
            return original
        if isinstance(original, _CONTAINERS) and len(original) >= _MOST:
            return original
        try:
            return self.widened(copy.deepcopy(original, self.memo))
        except Exception:  # files, locks, generators, tensors with a history
            return original


def _holds(thing: Any) -> bool:
    """Say whether a thing may hold tensors or modules: containers, modules, and objects that can be called."""
    if isinstance(thing, (torch.Tensor, nn.Module, functools.partial, types.FunctionType, *_CONTAINERS)):
        return True
    return callable(thing) and not isinstance(thing, type | types.MethodType) and hasattr(thing, "__dict__")


def _attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield what may hold tensors or modules that are not registered; torch's own tables are not among them."""
    for name, value in vars(module).items():
        if _holds(value) and not name.startswith(_TABLES):
            yield name, value


def outside_names(code: types.CodeType) -> set[str]:
    """Return the names that a function's code looks up outside, and those of the functions written in it."""
    inner = (outside_names(part) for part in code.co_consts if isinstance(part, types.CodeType))
    return set(code.co_names).union(*inner)
