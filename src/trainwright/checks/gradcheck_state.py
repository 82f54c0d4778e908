"""What a copied model and loss keep of themselves from pass to pass, put back so that every pass begins the same.

A `forward` that stores its activations (`self.last = x`) leaves there what the last pass computed: tensors of a
vectorised pass, which are dead outside of it, or values that make the next pass another function.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from trainwright.checks.gradcheck_closures import outside_names

_MOST = 1000  # things in a container that is looked into: longer ones hold data
_TABLES = vars(nn.Module()).keys() - {"_buffers"}  # torch's own: no forward stores what it computed there
_CONTAINERS = (dict, list, set, deque)


class State:
    """The attributes, containers and closures of `things` as they are now. Values of tensors are not remembered."""

    def __init__(self, things: Iterable[Any]) -> None:
        self._undo: list[Callable[[], None]] = []
        self._seen: dict[int, Any] = {}  # holds what it has seen, so that no id is used twice
        for thing in things:
            self._remember(thing)

    def restore(self) -> None:
        """Put everything back that was replaced, added or taken away."""
        for undo in self._undo:
            undo()

    def _remember(self, thing: Any, further: bool = True) -> None:
        """Remember a thing and what hangs on it; of a foreign object, without `further`, none that hang on another."""
        if id(thing) in self._seen or isinstance(thing, type | types.ModuleType | torch.Tensor):
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, _CONTAINERS):
            if len(thing) < _MOST:
                self._undo.append(_contents(thing))
                self._walk(thing.values() if isinstance(thing, dict) else thing, further)
        elif isinstance(thing, tuple):
            self._walk(thing[:_MOST], further)
        elif isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, types.MethodType):
            self._remember(thing.__self__)
        elif isinstance(thing, functools.partial):
            self._walk((thing.func, *thing.args, *thing.keywords.values()), further)
        elif isinstance(thing, nn.Module):
            self._undo.append(_contents(vars(thing)))
            self._globals(type(thing).forward)
            self._walk((value for name, value in vars(thing).items() if name not in _TABLES), True)
            self._walk(thing.children(), True)
        elif hasattr(thing, "__dict__") and further:
            self._undo.append(_contents(vars(thing)))
            if callable(thing):
                self._globals(type(thing).__call__)
            self._walk(vars(thing).values(), False)

    def _function(self, function: types.FunctionType) -> None:
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # not filled yet
                self._undo.append(_cell(cell, cell.cell_contents))
                self._remember(cell.cell_contents)
        self._globals(function)

    def _globals(self, function: Any) -> None:
        """Remember what of its file a function's code names: it may add to a list, call on an object, or set a name."""
        if not isinstance(function, types.FunctionType):
            return
        around = function.__globals__
        for name in sorted(outside_names(function.__code__) & around.keys()):
            value = around[name]
            self._undo.append(_global(around, name, value))
            # Of functions those of the same file: others lead into whole libraries.
            if not isinstance(value, types.FunctionType) or value.__globals__ is around:
                self._remember(value)

    def _walk(self, parts: Iterable[Any], further: bool) -> None:
        for part in list(parts):
            self._remember(part, further)


def _contents(thing: Any) -> Callable[[], None]:
    kept: list[Any] = list(thing.items()) if isinstance(thing, dict) else list(thing)

    def undo() -> None:
        if isinstance(thing, dict):
            now = [part for item in thing.items() for part in item]
            if not _same(now, [part for item in kept for part in item]):
                thing.clear()
                thing.update(kept)
        elif not _same(list(thing), kept):
            thing.clear()
            thing.update(kept) if isinstance(thing, set) else thing.extend(kept)

    return undo


def _same(now: list[Any], then: list[Any]) -> bool:
    return len(now) == len(then) and all(one is other for one, other in zip(now, then, strict=True))


def _cell(cell: types.CellType, value: Any) -> Callable[[], None]:
    def undo() -> None:
        if cell.cell_contents is not value:
            cell.cell_contents = value

    return undo


def _global(around: dict[str, Any], name: str, value: Any) -> Callable[[], None]:
    def undo() -> None:
        if around.get(name) is not value:
            around[name] = value

    return undo


def stored(thing: Any, depth: int = 3) -> Iterator[torch.Tensor]:
    """Yield the tensors among a thing's attributes, and in the containers there: what a pass may have left behind."""
    values: Iterable[Any] = vars(thing).values() if hasattr(thing, "__dict__") else ()
    if isinstance(thing, Mapping):
        values = thing.values()
    elif isinstance(thing, list | tuple | set | deque):
        values = thing
    for value in list(values)[:_MOST]:
        if isinstance(value, torch.Tensor):
            yield value
        elif depth and isinstance(value, (*_CONTAINERS, tuple)):
            yield from stored(value, depth - 1)
