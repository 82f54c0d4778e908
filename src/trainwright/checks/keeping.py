"""Remembering objects as they are, whatever they hold, and putting all of it back: the same objects, the same values.

Everything is walked once: tensors, modules, optimizers, containers, loaders and what they draw from. For each one
function is kept that restores its own contents and leaves those of its parts to theirs.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset, Sampler

Undo = Callable[[], None]

DATA_BYTES = 16 * 2**20
"""What is copied of a loader's tensors and arrays together: orders, statistics and small data sets."""
_MANY = 1_000  # parts of a container that are looked into; a longer one is data, and only itself put back
_GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_CONTAINERS = (dict, list, set, deque)
_HOLDERS = (nn.Module, torch.optim.Optimizer, LRScheduler, DataLoader, Dataset, Sampler)
# Attributes of foreign loaders, data sets and feeds that lead on to what a pass draws from.
_LEADS = re.compile(
    "(batch_)?sampler|datasets?|data_source|_?loader|base|_?data|(target_)?transforms?|collate_fn|augment"
)


def keep(roots: Iterable[Any], *, room: int | None = None) -> Undo:
    """Return a function that puts `roots` back as they are now, with all that they hold.

    Attributes are followed in modules, optimizers, loaders, data sets, samplers and the roots themselves; in foreign
    objects inside of these they are not, for nobody knows what hangs on them. With `room`, no more than so many bytes
    of tensors and arrays are copied.
    """
    queue: list[tuple[Any, bool]] = [(root, True) for root in roots]  # with whether attributes are followed
    seen: dict[int, Any] = {}  # holds what it has seen, so that no id is used twice
    undo: list[Undo] = []
    while queue:
        thing, followed = queue.pop()
        if thing is None or id(thing) in seen or isinstance(thing, type | str | bytes | int | float):
            continue
        seen[id(thing)] = thing
        if isinstance(thing, torch.Tensor | np.ndarray):
            if room is not None:
                room -= thing.nbytes
                if room < 0:
                    continue
            undo.append(_array(thing) if isinstance(thing, np.ndarray) else _tensor(thing))
            queue.append((thing.grad if isinstance(thing, torch.Tensor) and thing.is_leaf else None, False))
        elif isinstance(thing, _GENERATORS):
            undo.append(_generator(thing))
        elif isinstance(thing, (*_CONTAINERS, tuple)):
            undo += [] if isinstance(thing, tuple) else [_container(thing)]
            if len(thing) <= _MANY or room is None:
                queue += [(part, False) for part in _parts(thing)]
        elif followed or isinstance(thing, _HOLDERS):
            if hasattr(thing, "__dict__"):
                undo.append(_attributes(thing))
            queue += _held(thing)

    def put_back() -> None:
        for function in reversed(undo):  # a gradient before the tensor that it must fit
            function()

    return put_back


def _held(thing: Any) -> list[tuple[Any, bool]]:
    """Return what an object leads on to: its attributes, and what a function or a bound method has at hand."""
    leads = not isinstance(thing, nn.Module)
    attributes = getattr(thing, "__dict__", {})
    held = [
        (value, leads and bool(_LEADS.fullmatch(name))) for name, value in attributes.items() if name != "_iterator"
    ]
    owner = getattr(thing, "__self__", None)
    cells = getattr(thing, "__closure__", None) or ()
    for cell in cells:
        with suppress(ValueError):  # a cell that is not filled yet
            held.append((cell.cell_contents, False))
    return [*held, (owner if isinstance(owner, _HOLDERS) else None, True)]


def _parts(container: Any) -> list[Any]:
    return [*container.keys(), *container.values()] if isinstance(container, dict) else list(container)


def _attributes(thing: Any) -> Undo:
    kind, attributes = type(thing), dict(vars(thing))

    def undo() -> None:
        if type(thing) is not kind:  # parametrisation gives a module a class of its own
            thing.__class__ = kind
        if not _same(list(vars(thing).items()), list(attributes.items())):
            vars(thing).clear()
            vars(thing).update(attributes)

    return undo


def _container(thing: Any) -> Undo:
    kept: list[Any] = list(thing.items()) if isinstance(thing, dict) else list(thing)

    def undo() -> None:
        if isinstance(thing, dict):
            if not _same(list(thing.items()), kept):
                thing.clear()
                thing.update(dict(kept))
        elif len(thing) != len(kept) or any(now is not then for now, then in zip(thing, kept, strict=True)):
            thing.clear()
            thing.update(kept) if isinstance(thing, set) else thing.extend(kept)

    return undo


def _same(now: list[tuple[Any, Any]], then: list[tuple[Any, Any]]) -> bool:
    """Say whether two lists of items hold the very same objects in the same order."""
    return len(now) == len(then) and all(a is c and b is d for (a, b), (c, d) in zip(now, then, strict=True))


def _array(array: np.ndarray) -> Undo:
    value = array.copy()

    def undo() -> None:
        if array.flags.writeable:
            array[...] = value

    return undo


def _generator(source: Any) -> Undo:
    if isinstance(source, np.random.Generator):
        state = source.bit_generator.state

        def undo() -> None:
            source.bit_generator.state = state

        return undo
    if isinstance(source, random.Random):
        numbers = source.getstate()
        return lambda: source.setstate(numbers)
    position = source.get_state()
    return lambda: source.set_state(position)


def _tensor(tensor: torch.Tensor) -> Undo:
    """Remember a tensor: its memory and values, and of a leaf its gradient, its wish for one, and its hooks."""
    if nn.parameter.is_lazy(tensor):  # nothing in it yet
        return lambda: None
    attributes, kind, leaf, wants = dict(vars(tensor)), type(tensor), tensor.is_leaf, tensor.requires_grad
    gradient = tensor.grad if leaf else None
    hooks = [(name, getattr(tensor, name), dict(getattr(tensor, name) or {})) for name in _TENSOR_HOOKS if leaf]
    put_values = _values(tensor)

    def undo() -> None:
        if type(tensor) is not kind:
            tensor.__class__ = kind
        vars(tensor).clear()
        vars(tensor).update(attributes)
        if leaf and not tensor.is_leaf:  # a buffer that took in something with a gradient
            with suppress(RuntimeError):  # torch refuses it for views
                tensor.detach_()
        put_values()
        if leaf and tensor.is_leaf:
            tensor.requires_grad_(wants)
            tensor.grad = gradient
        for name, table, entries in hooks:
            if getattr(tensor, name) is not table:
                setattr(tensor, name, table)
            if table is not None:
                table.clear()
                table.update(entries)

    return undo


_TENSOR_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


def _values(tensor: torch.Tensor) -> Undo:
    if _expanded(tensor):  # several entries share memory: torch refuses to write there
        return lambda: None
    memory, value = tensor.data, tensor.detach().clone()
    version = None if tensor.is_inference() else tensor._version

    def undo() -> None:
        # Written past autograd, and the steps of the checks are not counted either: a graph that saved this tensor
        # before remains valid, since its values are the same.
        with torch.inference_mode(memory.is_inference()), torch.no_grad():
            memory.copy_(value)
        if tensor.layout != torch.strided or _layout(tensor) != _layout(memory):
            tensor.data = memory
        if version is not None and not tensor.is_inference() and tensor._version != version:
            torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))  # pyright: ignore[reportAttributeAccessIssue]

    return undo


def _expanded(tensor: torch.Tensor) -> bool:
    if tensor.layout != torch.strided:
        return False
    return any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True))


def _layout(tensor: torch.Tensor) -> tuple[Any, ...]:
    return (tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.data_ptr())
