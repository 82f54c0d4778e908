"""A float64 copy of a model with its loss and batch, at a random point: a gradient check may do with it as it likes."""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.checks.inputs import mapped, rows, tensors
from trainwright.errors import ModelError
from trainwright.randomness import generator
from trainwright.tensors import to_tensor

DISPLACEMENT = 0.05
"""How far a weight is moved at most, of its own size: enough to leave a symmetric start, too little to upset it."""
_FROM_ZERO = 0.1  # of the tensor's own size, or of 1 where all of it is zero: a point at zero is never a random one
_CONTAINERS = (list, tuple, dict)


@dataclass(frozen=True, kw_only=True)
class Double:
    """A copied training: `value()` computes its loss from the batch that it holds."""

    model: nn.Module
    loss: Callable[[Any, Any], Any]
    x: Any
    y: Any


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """Return floating tensors as float64, complex ones as complex128, and all others as they are."""
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


def doubled(model: nn.Module, loss: Callable[[Any, Any], Any], x: Any, y: Any, *, widen: bool = True) -> Double:
    """Return a deep copy in evaluation mode, of which nothing is shared with what was given.

    Everything floating becomes float64, tensors and modules that hide in lists and attributes included, unless `widen`
    is off. Where the device has no float64, the copy lies on the CPU. Raises `ModelError` for what cannot be copied.
    """
    change = _change(model, widen)
    memo: dict[int, Any] = {}
    for module in (*model.modules(), *([loss] if hasattr(loss, "__dict__") else [])):
        for value in vars(module).values():  # torch refuses to copy tensors with a history
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        twin, own_loss = copy.deepcopy((model, loss), memo)
    except Exception as problem:
        raise ModelError(
            "the model cannot be copied, and the gradient check works on a copy",
            evidence=f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}",
            remedy="keep what cannot be copied (files, locks, generators) out of the model's attributes",
        ) from None
    twin = _widened(twin, change, set())
    own_loss = _widened_loss(own_loss, change)
    twin.eval()
    if isinstance(own_loss, nn.Module):
        own_loss.eval()
    moved = functools.partial(mapped, change=lambda tensor: change(tensor.detach().clone()))
    return Double(model=twin, loss=own_loss, x=moved(_read(x, "x")), y=moved(_read(y, "y")))


def few(x: Any, y: Any, samples: int) -> tuple[Any, Any, int]:
    """Return the first `samples` of a batch, or all of it where its tensors are not counted alike; and how many."""
    found = tensors(x) + tensors(y)
    counts = {len(tensor) if tensor.dim() else 0 for tensor in found}
    if len(counts) != 1 or counts == {0}:
        return x, y, max(counts, default=0)
    most = counts.pop()
    return rows(x, slice(0, samples)), rows(y, slice(0, samples)), min(most, samples)


def displace(model: nn.Module, seed: int) -> None:
    """Move every parameter to a random point near its own: by up to 5 %, and away from zero where it is zero.

    A weight that is not zero is multiplied by 1 + 0.05 u, u uniform in [-1, 1], which keeps its sign; one that is gets
    0.1 u of its tensor's root mean square, or of 1 where the whole tensor is zero. Gradients at an untrained point hide
    faults: biases at zero sit on the kinks of ReLUs, and a layer at zero stops all that lies before it.
    """
    draw = generator(seed, "gradcheck")
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.is_floating_point() and not parameter.is_complex():
                continue
            noise = torch.empty(parameter.shape, dtype=torch.float64)
            noise = noise.uniform_(-1, 1, generator=draw).to(parameter)
            size = parameter.abs().square().mean().sqrt()
            reach = _FROM_ZERO * torch.where(size > 0, size, torch.ones_like(size))
            parameter.copy_(torch.where(parameter == 0, reach * noise, parameter * (1 + DISPLACEMENT * noise)))


def _read(values: Any, name: str) -> Any:
    """Return arrays and lists of numbers as tensors, in whatever holds them."""
    if isinstance(values, torch.Tensor):
        return values
    if isinstance(values, Mapping):
        return {key: _read(value, name) for key, value in values.items()}
    if isinstance(values, tuple | list) and any(
        isinstance(part, torch.Tensor | Mapping) or hasattr(part, "shape") for part in values
    ):
        return tuple(_read(part, name) for part in values)
    return to_tensor(values, name)


def _change(model: nn.Module, widen: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    # Apple's and some other accelerators have no float64.
    away = any(parameter.device.type not in ("cpu", "cuda", "xpu") for parameter in model.parameters())

    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.cpu() if away else tensor
        return wide(tensor) if widen else tensor

    return change


def _widened_loss(loss: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return a loss with its tensors changed: those of its attributes, and those that a function closes over."""
    if isinstance(loss, types.FunctionType) and loss.__closure__:
        cells = [_cell(cell, change) for cell in loss.__closure__]
        twin = types.FunctionType(loss.__code__, loss.__globals__, loss.__name__, loss.__defaults__, tuple(cells))
        twin.__kwdefaults__ = loss.__kwdefaults__
        return twin
    if not isinstance(loss, nn.Module | functools.partial | types.FunctionType | types.MethodType):
        for name, value in list(getattr(loss, "__dict__", {}).items()):
            # The loss of a check stands around the user's own.
            vars(loss)[name] = _widened_loss(value, change) if callable(value) else _widened(value, change, set())
        return loss
    return _widened(loss, change, set())


def _cell(cell: types.CellType, change: Callable[[torch.Tensor], torch.Tensor]) -> types.CellType:
    try:
        value = cell.cell_contents
    except ValueError:  # not filled yet
        return cell
    return types.CellType(change(value)) if isinstance(value, torch.Tensor) and not value.requires_grad else cell


def _widened(thing: Any, change: Callable[[torch.Tensor], torch.Tensor], seen: set[int]) -> Any:
    """Return a copied thing with its tensors changed: a module in place, with what hides in its attributes."""
    if id(thing) in seen:
        return thing
    if isinstance(thing, nn.Parameter):
        thing.data = change(thing.data)
        return thing
    if isinstance(thing, torch.Tensor):
        return change(thing)
    if isinstance(thing, functools.partial):
        words = {name: _widened(value, change, seen) for name, value in thing.keywords.items()}
        return functools.partial(thing.func, *(_widened(value, change, seen) for value in thing.args), **words)
    if isinstance(thing, nn.Module):
        for module in thing.modules():
            if id(module) in seen:
                continue
            seen.add(id(module))
            for name, value in list(_attributes(module)):
                vars(module)[name] = _widened(value, change, seen)
            for table in (module._parameters, module._buffers):
                for name, value in table.items():
                    table[name] = None if value is None else _widened(value, change, seen)
        return thing
    if type(thing) in _CONTAINERS and len(thing) < 1000:
        seen.add(id(thing))
        if isinstance(thing, dict):
            return {key: _widened(value, change, seen) for key, value in thing.items()}
        return type(thing)(_widened(value, change, seen) for value in thing)
    return thing


def _attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield what may hold tensors or modules that are not registered; torch's own tables are not among them."""
    for name, value in vars(module).items():
        if isinstance(value, (torch.Tensor, nn.Module, *_CONTAINERS)) and not name.startswith(_TABLES):
            yield name, value


_TABLES = ("_parameters", "_buffers", "_modules", "_forward", "_backward", "_state_dict", "_load_state_dict")
